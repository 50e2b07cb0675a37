//! Errors of a start.

use std::{fmt, io};

use crate::base::panics::Panicked;
use crate::base::refusal::{MORE_PROCESSES, NO_THREAD, SystemRefusal};
use crate::config::error::ConfigError;
use crate::engine::EngineError;
use crate::engine::components::ComponentsError;
use crate::engine::fault::LoadError;
use crate::log::trap;
use crate::net::listener::error::BindError;

/// An error of a start, one variant for each exit code.
#[derive(Debug)]
pub enum StartError {
    /// The configuration is wrong.
    Config(ConfigError),
    /// A plugin cannot be loaded.
    Load(LoadError),
    /// An address cannot be served.
    Bind(BindError),
    /// A failure of the operating system or the engine that no file causes.
    Internal(String),
}

impl StartError {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Internal(_) => 1,
            StartError::Config(_) => 2,
            StartError::Load(_) => 3,
            StartError::Bind(_) => 4,
        }
    }
}

impl From<ComponentsError> for StartError {
    fn from(error: ComponentsError) -> StartError {
        match error {
            ComponentsError::Load(error) => StartError::Load(error),
            ComponentsError::Engine(error) => error.into(),
        }
    }
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> StartError {
        match error {
            EngineError::Config(error) => StartError::Config(error),
            EngineError::Other(error) => {
                StartError::Internal(format!("engine: {}", trap::chain(&error)))
            }
        }
    }
}

impl StartError {
    /// For `map_err`: an internal error with the action that failed.
    pub(super) fn internal<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> StartError {
        move |error| StartError::Internal(format!("{what}: {error}"))
    }

    /// For `map_err`: a thread of `whose` could not be started.
    pub fn thread<E: fmt::Display>(whose: &'static str) -> impl Fn(E) -> StartError {
        move |error| {
            StartError::Internal(format!(
                "the thread for {whose} cannot be started: {error}; {MORE_PROCESSES}"
            ))
        }
    }

    /// For `map_err`: something with a poll, and perhaps a thread, could not be made.
    pub(crate) fn made(what: &'static str) -> impl Fn(io::Error) -> StartError {
        move |error| match error.kind() {
            io::ErrorKind::WouldBlock => StartError::thread(what)(error),
            _ => {
                let otherwise = "see what the system says of it";
                let refusal = SystemRefusal::new(&error, otherwise);
                StartError::Internal(format!("making {what}: {refusal}"))
            }
        }
    }

    /// For `map_err`: a library has panicked during an action, as some do for lack of a thread.
    pub fn panicked(what: &'static str) -> impl Fn(Panicked) -> StartError {
        move |Panicked { cause, .. }| {
            let is_for_want = cause.contains(NO_THREAD);
            let remedy =
                if is_for_want { MORE_PROCESSES } else { "this is a fault of the host: report it" };
            StartError::Internal(format!("{what}: {cause}; {remedy}"))
        }
    }
}

impl std::error::Error for StartError {}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(error) => error.fmt(f),
            StartError::Load(error) => error.fmt(f),
            StartError::Bind(error) => error.fmt(f),
            StartError::Internal(error) => f.write_str(error),
        }
    }
}
