//! Threads besides the reactors: those that make calls, deferred work, file systems, name look-ups.

mod cpu_account;
pub(crate) mod deferred;
pub mod file_threads;
pub(crate) mod resolver;
pub(crate) mod returns;
pub(crate) mod slow_call;
pub mod slow_lane;
mod turnstile;
