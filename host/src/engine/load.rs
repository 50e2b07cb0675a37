//! From a component file to a plugin: read, compile, compare with the contract, link, make one instance as a
//! test. Nothing is served before all of this has gone well for every plugin; only those whose compiler comes to no
//! end are left out.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::config::file;
use crate::config::file::COMPONENT_BYTES_MAX;
use crate::config::model::{Config, PluginConfig, TenantConfig};
use crate::config::units;
use crate::contract::bindings::MinimalIndices;
use crate::contract::export::Exports;
use crate::engine::INSTANCE_BYTES_MAX;
use crate::engine::compile::fault::{CompileFault, Unfinished};
use crate::engine::compile::{Compiler, Source};
use crate::engine::components::Compiled;
use crate::engine::inspect::{ComponentKind, Report};
use crate::engine::settings::CodeSettings;
use crate::engine::template::Template;
use crate::host_api;
use crate::host_api::state::HostState;
use crate::log::text::GuestText;
use crate::log::{text, trap};
use crate::plugin::counters::Counters;
use crate::plugin::folders::Folders;
use crate::plugin::tenant::Tenant;
use crate::plugin::{Plugin, Usage};
use crate::quota::token_bucket::TokenBucket;

/// Digits of a component's hash that name it in the log; `sha256sum` shows the same.
const VERSION_DIGITS: usize = 12;

/// Links the plugins of one host.
pub struct Loader {
    engine: Engine,
    linker: Linker<HostState>,
    /// In the order of the configuration.
    tenants: Vec<Arc<Tenant>>,
}

/// Why a plugin cannot be loaded. The message names the line of `plugins.toml`, the file and the remedy.
#[derive(Debug)]
pub struct LoadError {
    file: PathBuf,
    line: usize,
    plugin: String,
    component: PathBuf,
    fault: Box<Fault>,
}

/// What is wrong with a component.
#[derive(Debug)]
pub enum Fault {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// The file is not WebAssembly.
    NotWasm,
    /// The file is a core module.
    CoreModule,
    /// The file begins like a component and is none.
    Invalid(GuestText),
    /// The compiler came to no end.
    Unfinished(Unfinished),
    /// The component does not fit the contract.
    Refused(Vec<GuestText>),
    /// It needs proposals that the engine does not take.
    Proposals(Vec<String>),
    /// It takes more from the beginning than a key allows; the text names the key.
    TooLarge(String),
    /// The engine counts otherwise.
    Miscounted,
    /// The first instance could not be made; the text says what to change.
    Instance(GuestText),
    /// A folder of `allow.read` or `allow.write` cannot be opened.
    Folder(PathBuf, GuestText),
    /// A `[[listen]]` names a handler that the plugin does not have.
    Handler {
        /// The line of the `[[listen]]`.
        line: usize,
        /// Its place in the file, from 0.
        place: usize,
        /// The name it gives.
        wanted: String,
        /// The names the plugin has.
        have: Vec<GuestText>,
    },
    /// A `[[listen]]` names no handler and the plugin has several.
    HandlerMissing {
        /// The line of the `[[listen]]`.
        line: usize,
        /// Its place in the file, from 0.
        place: usize,
        /// The names the plugin has.
        have: Vec<GuestText>,
    },
    /// `lifecycle.prepare` failed.
    Prepare(GuestText),
    /// The plugin trapped in its first calls.
    Trapped {
        /// Which call.
        event: &'static str,
        /// The trap.
        cause: GuestText,
        /// The guest's frames.
        backtrace: GuestText,
    },
}

impl Loader {
    /// A loader on this engine.
    pub fn new(engine: &Engine, tenants: &[TenantConfig]) -> wasmtime::Result<Loader> {
        let tenants = tenants.iter().enumerate();
        Ok(Loader {
            engine: engine.clone(),
            linker: host_api::link(engine)?,
            tenants: tenants.map(|(index, tenant)| Arc::new(Tenant::new(index, tenant))).collect(),
        })
    }

    /// Links one plugin, with its compiled component.
    pub fn load(
        &self,
        config: &Config,
        index: usize,
        compiled: &Compiled,
    ) -> Result<Arc<Template>, LoadError> {
        let section = &config.plugins[index];
        self.try_load(config, section, index, compiled)
            .map_err(|fault| LoadError::new(&config.file, section, fault))
    }

    fn try_load(
        &self,
        config: &Config,
        section: &PluginConfig,
        index: usize,
        compiled: &Compiled,
    ) -> Result<Arc<Template>, Fault> {
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
        let indices = MinimalIndices::new(&pre).map_err(refused)?;
        let folders = Folders::open(&section.allow.directories)
            .map_err(|(directory, error)| Fault::Folder(directory.host, trap::chain(&error)))?;
        // Copying pages at the first accept would be the first client's loss.
        component.initialize_copy_on_write_image().map_err(refused)?;
        let plugin = Arc::new(Plugin {
            config: section.clone(),
            index,
            tenant: self.tenants[section.tenant_index].clone(),
            exports: Exports::of(component),
            default_handler: OnceLock::new(),
            usage: Usage::new(&section.limits),
            least_memory: footprint.memory_bytes,
            folders,
            version: hash[..VERSION_DIGITS].to_owned(),
            accepts: section
                .limits
                .accepts_per_second
                .map(|accepts| TokenBucket::new(accepts.into())),
            counters: Counters::default(),
            file: config.file.clone(),
        });
        Ok(Arc::new(Template { plugin, pre, indices }))
    }
}

/// Why there is no code of a component.
pub(super) fn not_compiled(fault: CompileFault) -> Fault {
    // The engine has no type for this one; a test of the suite notices when its words change.
    const TOO_LARGE: &str = "instance size does not fit";
    let cause = match fault {
        CompileFault::Invalid(cause) => cause,
        CompileFault::Proposals(needed) => return Fault::Proposals(needed),
        CompileFault::Unfinished(unfinished) => return Fault::Unfinished(unfinished),
    };
    if cause.as_str().contains(TOO_LARGE) {
        let most = units::size(INSTANCE_BYTES_MAX as u64);
        return Fault::TooLarge(format!(
            "the functions, globals and tables of one instance take more than {most} of the host's memory, the most \
             that any may: build it with fewer"
        ));
    }
    Fault::Invalid(cause)
}

/// The bytes of a file that begins as a component does.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let bytes = file::read_file(path, COMPONENT_BYTES_MAX).map_err(Fault::Unreadable)?;
    match ComponentKind::of(&bytes) {
        ComponentKind::NotWasm => Err(Fault::NotWasm),
        ComponentKind::CoreModule => Err(Fault::CoreModule),
        ComponentKind::Component => Ok(bytes),
    }
}

/// The report on one component file, for `sandloop inspect`.
///
/// # Errors
/// When the file is not a component at all, or its compiler comes to no end.
pub(super) fn inspect(compiler: &Compiler, file: &Path) -> Result<Report, Fault> {
    let refused = |error: wasmtime::Error| Fault::Invalid(trap::chain(&error));
    let settings = CodeSettings::default();
    let engine = Engine::new(&settings.config()).map_err(refused)?;
    let loader = Loader::new(&engine, &[]).map_err(refused)?;
    let bytes = read(file)?;
    let plugin = file.file_stem().unwrap_or_default().to_string_lossy();
    let source = Source { plugin: &plugin, bytes: &bytes };
    let code = compiler.compile(settings, &[source]).map_err(refused)?.pop();
    let Some(code) = code else {
        return Err(Fault::Invalid(GuestText::cause("nothing came of it")));
    };
    let component = code.map_err(not_compiled)?.load(&engine).map_err(Fault::Invalid)?;
    let mut report = Report::of(&engine, &component);
    if report.faults.is_empty() {
        let linked = loader.linker.instantiate_pre(&component).and_then(|pre| {
            MinimalIndices::new(&pre)?;
            Ok(())
        });
        report.faults.extend(linked.err().map(|error| trap::chain(&error)));
    }
    Ok(report)
}

impl LoadError {
    /// The plugin that cannot be loaded.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Whether its compiler came to no end, which is nobody else's business.
    pub(super) fn is_unfinished(&self) -> bool {
        matches!(*self.fault, Fault::Unfinished(_))
    }

    /// `fault` in the plugin of this section.
    pub fn new(file: &Path, section: &PluginConfig, fault: Fault) -> LoadError {
        LoadError {
            file: file.to_owned(),
            line: section.line,
            plugin: section.name.clone(),
            component: section.component.clone(),
            fault: Box::new(fault),
        }
    }
}

impl std::error::Error for LoadError {}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadError { file, line, plugin, component, fault } = self;
        let file = file.display();
        match &**fault {
            Fault::Handler { line, place, wanted, have } => {
                return write!(
                    f,
                    "{file}:{line}: listen[{place}].handler: plugin \"{plugin}\" has no handler \"{wanted}\"; \
                     name one of {}",
                    text::quoted_list(have)
                );
            }
            Fault::HandlerMissing { line, place, have } => {
                return write!(
                    f,
                    "{file}:{line}: listen[{place}].handler: plugin \"{plugin}\" has several handlers; name one of {}",
                    text::quoted_list(have)
                );
            }
            Fault::Folder(path, cause) => {
                return write!(
                    f,
                    "{file}:{line}: plugins.{plugin}.allow: the folder {path:?} cannot be opened: {cause}; \
                     make it, or take it out of read and write"
                );
            }
            _ => {}
        }
        let component = component.display();
        write!(f, "{file}:{line}: plugins.{plugin}.component: {component}: {fault}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unreadable(error) => write!(
                f,
                "{error}; build the component or correct the path, which starts at the folder of the \
                 configuration file"
            ),
            Fault::NotWasm => f.write_str("not a WebAssembly file; give a compiled component"),
            Fault::CoreModule => f.write_str(
                "a core module, not a component; build for wasm32-wasip2 or wrap it with \
                 `wasm-tools component new`",
            ),
            Fault::Invalid(cause) => {
                write!(f, "not a valid component: {cause}; build it again")
            }
            Fault::Unfinished(unfinished) => unfinished.fmt(f),
            Fault::Refused(faults) => write!(
                f,
                "not a Sandloop plugin: {}; `sandloop inspect` shows what it is",
                text::list(faults, "; ")
            ),
            Fault::Proposals(needed) => write!(
                f,
                "it needs what this host does not support of WebAssembly: {}; build it without",
                needed.join(", ")
            ),
            Fault::TooLarge(text) => f.write_str(text),
            Fault::Miscounted => f.write_str(
                "the engine counts other memories and tables in it than the host: report this, with the component",
            ),
            Fault::Instance(cause) => write!(f, "no instance can be made: {cause}"),
            Fault::Folder(path, cause) => write!(f, "{}: {cause}", path.display()),
            Fault::Prepare(cause) => {
                write!(f, "its lifecycle.prepare failed: {cause}; correct its options")
            }
            Fault::Trapped { event, cause, backtrace } => {
                write!(f, "it trapped in {event}: {cause}; backtrace: {backtrace}")
            }
            Fault::Handler { wanted, .. } => write!(f, "no handler \"{wanted}\""),
            Fault::HandlerMissing { .. } => f.write_str("several handlers and none named"),
        }
    }
}
