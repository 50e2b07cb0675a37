//! Why compiling a component failed.

use crate::log::text::GuestText;
use std::fmt;
use std::time::Duration;

use crate::config::limits::{COMPILE_MEMORY, COMPILE_TIME};

/// Why a component was not compiled.
#[derive(Debug, Clone)]
pub enum CompileFault {
    /// The compiler has found that it is not a component.
    Invalid(GuestText),
    /// It needs proposals that the engine does not support.
    Proposals(Vec<String>),
    /// The compiler has not finished.
    Unfinished(Unfinished),
}

/// Why the compiler has not finished. Only this plugin is left out.
#[derive(Debug, Clone)]
pub enum Unfinished {
    /// It needed more memory than this, in bytes.
    Memory(u64),
    /// It needed more CPU time than this.
    Time(Duration),
    /// Its process ended by itself.
    Ended(GuestText),
    /// Its process could not be started.
    NotStarted(String),
}

impl From<Unfinished> for CompileFault {
    fn from(unfinished: Unfinished) -> CompileFault {
        CompileFault::Unfinished(unfinished)
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfinished::Memory(bytes) => write!(
                f,
                "compiling it takes more than {} of memory; raise {} under [host], or give a component with smaller \
                 functions",
                COMPILE_MEMORY.show(*bytes),
                COMPILE_MEMORY.name
            ),
            Unfinished::Time(time) => write!(
                f,
                "compiling it takes more than {} of CPU time; raise {} under [host], or give a component with smaller \
                 functions",
                COMPILE_TIME.show(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
                COMPILE_TIME.name
            ),
            Unfinished::Ended(cause) => {
                write!(
                    f,
                    "the process that compiles it ended early: {cause}; build the component otherwise"
                )
            }
            Unfinished::NotStarted(error) => write!(
                f,
                "the process that compiles it could not be started: {error}; let the host start processes of its own \
                 program"
            ),
        }
    }
}
