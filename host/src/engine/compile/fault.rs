//! Why compiling a component failed.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::base::refusal::{MORE_PROCESSES, NO_THREAD, SystemRefusal};
use crate::config::limits::{COMPILE_MEMORY, COMPILE_TIME};
use crate::log::text::GuestText;

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
    /// Its process could not be started: why, and the remedy.
    NotStarted(String),
}

impl Unfinished {
    /// Its process could not be started.
    pub(super) fn not_started(error: &io::Error) -> Unfinished {
        let otherwise = "let the host start processes of its own program";
        Unfinished::NotStarted(SystemRefusal::new(error, otherwise).to_string())
    }
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
                // As its libraries say it that panic for want of a thread.
                let is_for_want = cause.as_str().contains(NO_THREAD);
                let remedy =
                    if is_for_want { MORE_PROCESSES } else { "build the component otherwise" };
                write!(f, "the process that compiles it ended early: {cause}; {remedy}")
            }
            Unfinished::NotStarted(refusal) => {
                write!(f, "the process that compiles it could not be started: {refusal}")
            }
        }
    }
}
