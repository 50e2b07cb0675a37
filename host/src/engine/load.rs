//! From a component file to a plugin: read, compile, compare with the contract, link, make one instance as a
//! test. Nothing is served before all of this has gone well for every plugin.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::config::model::{Config, PluginConfig, TenantConfig};
use crate::contract::Exports;
use crate::contract::bindings::MinimalIndices;
use crate::engine::inspect::{ComponentKind, Report};
use crate::engine::template::Template;
use crate::host_api::state::HostState;
use crate::plugin::counters::Counters;
use crate::plugin::folders::Folders;
use crate::plugin::tenant::Tenant;
use crate::plugin::{Plugin, Usage};
use crate::quota::token_bucket::TokenBucket;
use crate::{host_api, log};

/// Bytes of a component's hash that name it in the log.
const VERSION_BYTES: usize = 6;

/// Compiles and links the plugins of one host.
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
    Invalid(String),
    /// The component does not fit the contract.
    Refused(Vec<String>),
    /// The first instance could not be made.
    Instance(String),
    /// A folder of `allow.read` or `allow.write` cannot be opened.
    Folder(PathBuf, String),
    /// A `[[listen]]` names a handler that the plugin does not have.
    Handler {
        /// The line of the `[[listen]]`.
        line: usize,
        /// Its place in the file, from 0.
        place: usize,
        /// The name it gives.
        wanted: String,
        /// The names the plugin has.
        have: Vec<String>,
    },
    /// A `[[listen]]` names no handler and the plugin has several.
    HandlerMissing {
        /// The line of the `[[listen]]`.
        line: usize,
        /// Its place in the file, from 0.
        place: usize,
        /// The names the plugin has.
        have: Vec<String>,
    },
    /// `lifecycle.prepare` failed.
    Prepare(String),
    /// The plugin trapped in its first calls.
    Trapped {
        /// Which call.
        event: &'static str,
        /// The trap.
        cause: String,
        /// The guest's frames.
        backtrace: String,
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

    /// Compiles and links one plugin.
    pub fn load(&self, config: &Config, index: usize) -> Result<Arc<Template>, LoadError> {
        let section = &config.plugins[index];
        self.try_load(config, section, index)
            .map_err(|fault| LoadError::new(&config.file, section, fault))
    }

    fn try_load(
        &self,
        config: &Config,
        section: &PluginConfig,
        index: usize,
    ) -> Result<Arc<Template>, Fault> {
        let (component, version) = self.compile(&section.component)?;
        let report = Report::of(&self.engine, &component);
        if !report.faults.is_empty() {
            return Err(Fault::Refused(report.faults));
        }
        let refused = |error: wasmtime::Error| Fault::Refused(vec![log::chain(&error)]);
        let pre = self.linker.instantiate_pre(&component).map_err(refused)?;
        let indices = MinimalIndices::new(&pre).map_err(refused)?;
        let folders = Folders::open(&section.allow.directories)
            .map_err(|(directory, error)| Fault::Folder(directory.host, log::chain(&error)))?;
        // Copying pages at the first accept would be the first client's loss.
        component.initialize_copy_on_write_image().map_err(refused)?;
        let plugin = Arc::new(Plugin {
            config: section.clone(),
            index,
            tenant: self.tenants[section.tenant_index].clone(),
            exports: Exports::of(&component),
            default_handler: OnceLock::new(),
            usage: Usage::new(&section.limits),
            folders,
            version,
            accepts: section
                .limits
                .accepts_per_second
                .map(|accepts| TokenBucket::new(accepts.into())),
            counters: Counters::default(),
            file: config.file.clone(),
        });
        Ok(Arc::new(Template { plugin, pre, indices }))
    }

    /// The component, and which build of it this is.
    fn compile(&self, file: &Path) -> Result<(Component, String), Fault> {
        let bytes = std::fs::read(file).map_err(Fault::Unreadable)?;
        match ComponentKind::of(&bytes) {
            ComponentKind::NotWasm => Err(Fault::NotWasm),
            ComponentKind::CoreModule => Err(Fault::CoreModule),
            ComponentKind::Component => Component::from_binary(&self.engine, &bytes)
                .map(|component| (component, version(&bytes)))
                .map_err(|error| Fault::Invalid(log::chain(&error))),
        }
    }
}

/// Enough of the file's SHA-256 to tell one build from another; `sha256sum` shows the same.
fn version(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(VERSION_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// The report on one component file, for `sandloop inspect`.
///
/// # Errors
/// When the file is not a component at all.
pub(super) fn inspect(engine: &Engine, file: &Path) -> Result<Report, Fault> {
    let loader = Loader::new(engine, &[]).map_err(|error| Fault::Invalid(log::chain(&error)))?;
    let (component, _) = loader.compile(file)?;
    let mut report = Report::of(engine, &component);
    if report.faults.is_empty() {
        let linked = loader.linker.instantiate_pre(&component).and_then(|pre| {
            MinimalIndices::new(&pre)?;
            Ok(())
        });
        report.faults.extend(linked.err().map(|error| log::chain(&error)));
    }
    Ok(report)
}

impl LoadError {
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
        let named = |names: &[String]| {
            names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        match &**fault {
            Fault::Handler { line, place, wanted, have } => {
                return write!(
                    f,
                    "{file}:{line}: listen[{place}].handler: plugin \"{plugin}\" has no handler \"{wanted}\"; \
                     name one of {}",
                    named(have)
                );
            }
            Fault::HandlerMissing { line, place, have } => {
                return write!(
                    f,
                    "{file}:{line}: listen[{place}].handler: plugin \"{plugin}\" has several handlers; name one of {}",
                    named(have)
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
            Fault::Refused(faults) => write!(
                f,
                "not a Sandloop plugin: {}; `sandloop inspect` shows what it is",
                faults.join("; ")
            ),
            Fault::Instance(cause) => write!(
                f,
                "no instance can be made: {cause}; raise what is too small under \
                 [plugins.<name>.limits] or [host]"
            ),
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
