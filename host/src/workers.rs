//! Threads besides the reactors: deferred work, handlers that exceed their time slice, name look-ups, what ended
//! instances leave behind.

pub(crate) mod deferred;
pub(crate) mod disposal;
pub(crate) mod resolver;
pub(crate) mod returns;
pub(crate) mod slow_call;
pub mod slow_lane;

use std::time::Duration;

/// How long the end of the host waits for a thread that is still in a call: a guest is interrupted at the end of its
/// slice, a call to the operating system is not.
const LONGEST_END: Duration = Duration::from_millis(500);
