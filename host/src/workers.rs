//! Threads besides the reactors: deferred work, handlers that exceed their time slice, name look-ups, what ended
//! instances leave behind.

pub(crate) mod deferred;
pub(crate) mod disposal;
pub(crate) mod resolver;
pub(crate) mod returns;
pub(crate) mod slow_call;
pub mod slow_lane;
