//! Why a plugin cannot be loaded, as a text for its operator.

use std::fmt;
use std::path::PathBuf;

use crate::base::refusal::SystemRefusal;
use crate::config::model::PluginConfig;
use crate::config::units;
use crate::engine::INSTANCE_BYTES_MAX;
use crate::engine::compile::fault::{CompileFault, Unfinished};
use crate::engine::remedies;
use crate::engine::source::fault::SourceFault;
use crate::log::text;
use crate::log::text::GuestText;

/// Why a plugin cannot be loaded. The message names the line of `plugins.toml`, the file and the remedy.
#[derive(Debug)]
pub struct LoadError {
    file: PathBuf,
    line: usize,
    plugin: String,
    component: String,
    /// Whether the operator's file configures its build.
    is_built_here: bool,
    fault: Box<Fault>,
}

/// The fault of a component.
#[derive(Debug)]
pub enum Fault {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// It cannot be fetched, or fails a check.
    Source(SourceFault),
    /// The file is not WebAssembly.
    NotWasm,
    /// The file is a core module.
    CoreModule,
    /// The file begins like a component but is not one.
    Invalid(GuestText),
    /// The compiler has not finished.
    Unfinished(Unfinished),
    /// The component does not fit the contract.
    Refused(Vec<GuestText>),
    /// It needs proposals that the engine does not support.
    Proposals(Vec<String>),
    /// Its initial size exceeds a limit; the text names the key.
    TooLarge(String),
    /// The engine counts differently.
    Miscounted,
    /// The first instance could not be created; the text has the remedy.
    Instance(GuestText),
    /// A folder of `allow.read` or `allow.write` cannot be opened.
    Folder(PathBuf, GuestText),
    /// The files of this TLS profile have changed since the configuration was read.
    Profile(String, String),
    /// A `[[listen]]` names a handler that the plugin does not have.
    Handler {
        /// The file of the `[[listen]]`.
        file: PathBuf,
        /// Its line.
        line: usize,
        /// Its index in the file, from 0.
        place: usize,
        /// The name in the file.
        wanted: String,
        /// The names of the plugin.
        have: Vec<GuestText>,
    },
    /// A `[[listen]]` names no handler and the plugin has several.
    HandlerMissing {
        /// The file of the `[[listen]]`.
        file: PathBuf,
        /// Its line.
        line: usize,
        /// Its index in the file, from 0.
        place: usize,
        /// The names of the plugin.
        have: Vec<GuestText>,
    },
    /// `lifecycle.prepare` failed.
    Prepare(GuestText),
    /// The plugin trapped in its first calls.
    Trapped {
        /// The name of the call.
        event: &'static str,
        /// The trap.
        cause: GuestText,
        /// The last line of its output.
        last_words: Option<GuestText>,
        /// The guest's frames.
        backtrace: GuestText,
    },
    /// The plugin has failed with the first connection, which was simulated.
    FirstConnection {
        /// The address of the connection's listener.
        listener: String,
        /// The fault.
        fault: Box<Fault>,
    },
}

/// Why compiling a component failed.
impl From<CompileFault> for Fault {
    fn from(fault: CompileFault) -> Fault {
        // The engine has no type for this error; a test of the suite detects a change of its text.
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
}

impl LoadError {
    /// The plugin that cannot be loaded.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Whether its compiler has not finished, which affects no other plugin.
    pub(super) fn is_unfinished(&self) -> bool {
        matches!(*self.fault, Fault::Unfinished(_))
    }

    /// `fault` in the plugin of this section.
    pub fn new(section: &PluginConfig, fault: Fault) -> LoadError {
        LoadError {
            file: section.file.clone(),
            line: section.line,
            plugin: section.name.clone(),
            component: section.component.to_string(),
            is_built_here: section.build.is_some(),
            fault: Box::new(fault),
        }
    }
}

impl std::error::Error for LoadError {}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadError { file, line, plugin, component, is_built_here, fault } = self;
        let file = file.display();
        match &**fault {
            Fault::Handler { file, line, place, wanted, have } => {
                return write!(
                    f,
                    "{}:{line}: listen[{place}].handler: plugin \"{plugin}\" has no handler \"{wanted}\"; \
                     name one of {}",
                    file.display(),
                    text::quoted_list(have)
                );
            }
            Fault::HandlerMissing { file, line, place, have } => {
                return write!(
                    f,
                    "{}:{line}: listen[{place}].handler: plugin \"{plugin}\" has several handlers; name one of {}",
                    file.display(),
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
            Fault::Profile(profile, cause) => {
                return write!(f, "{file}:{line}: plugins.{plugin}.tls.{profile}: {cause}");
            }
            Fault::Unreadable(error)
                if *is_built_here && error.kind() == std::io::ErrorKind::NotFound =>
            {
                return write!(
                    f,
                    "{file}:{line}: plugins.{plugin}.component: {component}: {error}; \
                     build it: `sandloop build`"
                );
            }
            _ => {}
        }
        write!(f, "{file}:{line}: plugins.{plugin}.component: {component}: {fault}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unreadable(error) => {
                let otherwise = "build the component or correct the path, which starts at the folder of the \
                                 configuration file";
                SystemRefusal::new(error, otherwise).fmt(f)
            }
            Fault::Source(fault) => fault.fmt(f),
            Fault::NotWasm => f.write_str("not a WebAssembly file; give a compiled component"),
            Fault::CoreModule => f.write_str(
                "a core module, not a component; build for wasm32-wasip2, or name it as `output` of a section `build`: \
                 `sandloop build` makes a component of it",
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
                "it needs what this host does not support of WebAssembly: {}; {}",
                needed.join(", "),
                remedies::of_proposals(needed).unwrap_or("build it without")
            ),
            Fault::TooLarge(text) => f.write_str(text),
            Fault::Miscounted => f.write_str(
                "the engine counts other memories and tables in it than the host: report this, with the component",
            ),
            Fault::Instance(cause) => write!(f, "no instance can be made: {cause}"),
            Fault::Folder(path, cause) => write!(f, "{}: {cause}", path.display()),
            Fault::Profile(profile, cause) => write!(f, "tls.{profile}: {cause}"),
            Fault::Prepare(cause) => {
                write!(f, "its lifecycle.prepare failed: {cause}; correct its options")
            }
            Fault::Trapped { event, cause, last_words, backtrace } => {
                write!(f, "it trapped in {event}: {cause}; ")?;
                if let Some(last_words) = last_words {
                    write!(f, "its last words: {last_words}; ")?;
                }
                write!(f, "backtrace: {backtrace}")
            }
            Fault::FirstConnection { listener, fault } => {
                write!(f, "its first connection at {listener} failed: {fault}")
            }
            Fault::Handler { wanted, .. } => write!(f, "no handler \"{wanted}\""),
            Fault::HandlerMissing { .. } => f.write_str("several handlers and none named"),
        }
    }
}
