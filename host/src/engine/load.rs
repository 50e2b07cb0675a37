//! From a component file to a plugin: read, compile, compare with the contract, link, create one instance as a test. The host
//! serves only after all of this has succeeded for every plugin; plugins whose compiler does not finish are left out.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

use crate::config::model::{Config, PluginConfig};
use crate::contract::bindings::AllImportsIndices;
use crate::contract::export::Exports;
use crate::contract::{HANDLE_REQUEST, INCOMING_HANDLER};
use crate::engine::compile::{Compiled, Compiler, Source};
use crate::engine::component_file::read;
use crate::engine::fault::{Fault, LoadError};
use crate::engine::inspect::Report;
use crate::engine::settings::CodeSettings;
use crate::engine::template::{ComponentEntry, Template};
use crate::engine::working_set::PagesInUse;
use crate::host_api;
use crate::host_api::state::HostState;
use crate::log::text::GuestText;
use crate::log::trap;
use crate::plugin::counters::Counters;
use crate::plugin::folders::Folders;
use crate::plugin::granted::GrantedFolders;
use crate::plugin::tenant::Tenant;
use crate::plugin::tls::Profiles;
use crate::plugin::{Plugin, Usage};
use crate::quota::token_bucket::TokenBucket;

/// The number of digits of a component's hash that identify it in the log; `sha256sum` prints the same.
const VERSION_DIGITS: usize = 12;

/// Links the plugins of one host.
pub(crate) struct Loader {
    engine: Engine,
    linker: Linker<HostState>,
}

/// The state of a plugin besides its section and its component.
pub(crate) struct Standing {
    /// Its index among the plugins of the host.
    pub place: usize,
    /// The number of the reload that brings it.
    pub generation: u32,
    /// Its tenant.
    pub tenant: Arc<Tenant>,
    /// The usage of all its versions together.
    pub usage: Arc<Usage>,
    /// The counters of all its versions.
    pub counters: Arc<Counters>,
}

impl Loader {
    /// A loader on this engine.
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Loader> {
        Ok(Loader { engine: engine.clone(), linker: host_api::link(engine)? })
    }

    /// Links one plugin, with its compiled component.
    pub(crate) fn load(
        &self,
        config: &Config,
        index: usize,
        compiled: &Compiled,
        standing: Standing,
    ) -> Result<Arc<Template>, LoadError> {
        let section = &config.plugins[index];
        self.try_load(section, compiled, standing).map_err(|fault| LoadError::new(section, fault))
    }

    fn try_load(
        &self,
        section: &PluginConfig,
        compiled: &Compiled,
        standing: Standing,
    ) -> Result<Arc<Template>, Fault> {
        let Standing { place, generation, tenant, usage, counters } = standing;
        let Compiled { component, hash, footprint, .. } = compiled;
        let report = Report::of(&self.engine, component);
        if !report.faults.is_empty() {
            return Err(Fault::Refused(report.faults));
        }
        if !footprint.is_that_of(component) {
            return Err(Fault::Miscounted);
        }
        let refused = |error: wasmtime::Error| Fault::Refused(vec![trap::chain(&error)]);
        let pre = self.linker.instantiate_pre(component).map_err(refused)?;
        let entry = entry(&report, &pre).map_err(refused)?;
        let folders = Folders::open(&section.allow.directories)
            .map_err(|(directory, error)| Fault::Folder(directory.host, trap::chain(&error)))?;
        let granted = GrantedFolders::open(&section.allow.directories)
            .map_err(|(directory, errno)| Fault::Folder(directory.host, GuestText::cause(errno)))?;
        let begins_tls = report.imports_interface("tls") || report.serves_http;
        let profiles = Profiles::read(&section.tls, begins_tls)
            .map_err(|(profile, problem)| Fault::Profile(profile, problem.to_string()))?;
        // Otherwise pages would be copied at the first accept, and delay the first client.
        let no_image = |error: wasmtime::Error| {
            Fault::Instance(GuestText::cause(format_args!(
                "the system has no room for the picture of its first memory: {}; `ulimit -f`, which counts files in memory too, and \
                 the memory that is free have to be larger",
                trap::chain(&error)
            )))
        };
        component.initialize_copy_on_write_image().map_err(no_image)?;
        let plugin = Arc::new(Plugin {
            config: section.clone(),
            index: place,
            generation,
            tenant,
            exports: Exports::of(component),
            serves_http: report.serves_http,
            default_handler: OnceLock::new(),
            usage,
            least_memory: footprint.memory_bytes,
            folders,
            granted,
            profiles,
            version: hash[..VERSION_DIGITS].to_owned(),
            accepts: section
                .limits
                .accepts_per_second
                .map(|accepts| TokenBucket::new(accepts.into())),
            counters,
        });
        let (compiled, pages_in_use) = (compiled.clone(), PagesInUse::default());
        Ok(Arc::new(Template { plugin, compiled, pre, entry, pages_in_use }))
    }
}

/// How a component with this report is called.
fn entry(report: &Report, pre: &InstancePre<HostState>) -> wasmtime::Result<ComponentEntry> {
    if !report.serves_http {
        return AllImportsIndices::new(pre).map(ComponentEntry::Contract);
    }
    let component = pre.component();
    let interface = component.get_export_index(None, INCOMING_HANDLER);
    let handle = interface.and_then(|it| component.get_export_index(Some(&it), HANDLE_REQUEST));
    let lacks = || wasmtime::format_err!("its {INCOMING_HANDLER} lacks {HANDLE_REQUEST}");
    handle.map(ComponentEntry::WasiHttp).ok_or_else(lacks)
}

/// The report on one component file, for `sandloop inspect`.
///
/// # Errors
/// When the file is not a component, or its compiler does not finish.
pub(super) fn inspect(compiler: &Compiler, file: &Path) -> Result<Report, Fault> {
    let refused = |error: wasmtime::Error| Fault::Invalid(trap::chain(&error));
    let settings = CodeSettings::default();
    let engine = Engine::new(&settings.config()).map_err(refused)?;
    let loader = Loader::new(&engine).map_err(refused)?;
    let bytes = read(file)?;
    let plugin = file.file_stem().unwrap_or_default().to_string_lossy();
    let source = Source { plugin: &plugin, bytes: &bytes };
    let code = compiler.compile(settings, &[source]).map_err(refused)?.pop();
    let Some(code) = code else {
        return Err(Fault::Invalid(GuestText::cause("nothing came of it")));
    };
    let component = code?.load(&engine).map_err(Fault::Invalid)?;
    let mut report = Report::of(&engine, &component);
    if report.faults.is_empty() {
        let linked = loader
            .linker
            .instantiate_pre(&component)
            .and_then(|pre| entry(&report, &pre).map(drop));
        report.faults.extend(linked.err().map(|error| trap::chain(&error)));
    }
    Ok(report)
}
