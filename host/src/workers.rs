//! Threads besides the reactors: those that make calls, deferred work, file systems, name look-ups, what ended instances
//! leave behind.

mod cpu_account;
pub(crate) mod deferred;
pub(crate) mod disposal;
pub mod file_threads;
pub(crate) mod resolver;
pub(crate) mod returns;
pub(crate) mod slow_call;
pub mod slow_lane;
mod turnstile;

use std::time::Duration;

/// How long the end of the host waits for a thread that is still in a call: a guest is interrupted at the end of its
/// slice, a call to the operating system is not.
const LONGEST_END: Duration = Duration::from_millis(500);
