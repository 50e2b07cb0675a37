//! The limits of a process that compiles one component, and how they are passed to it.

use std::time::Duration;

use crate::config::bound::Bound;
use crate::config::limits;
use crate::config::model::HostConfig;

/// The internal command of `sandloop` that compiles its input.
pub const COMMAND: &str = "compile-apart";

/// The limits of a process that compiles one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory.
    pub memory: u64,
    /// CPU time; counted in whole seconds.
    pub time: Duration,
}

impl Bounds {
    /// The limits in `[host]`.
    pub fn of(host: &HostConfig) -> Bounds {
        Bounds { memory: host.limits.compile_memory, time: host.limits.compile_time }
    }
}

/// The defaults of `[host]`.
impl Default for Bounds {
    fn default() -> Bounds {
        let default = |bound: &Bound| bound.default;
        Bounds {
            memory: default(&limits::COMPILE_MEMORY),
            time: Duration::from_micros(default(&limits::COMPILE_TIME)),
        }
    }
}
