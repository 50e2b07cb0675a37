//! Threads besides the reactors: the slow lane, deferred work, calls into file systems, name look-ups, and releasing the
//! resources of ended instances.

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
/// slice, a system call is not.
const LONGEST_END: Duration = Duration::from_millis(500);
