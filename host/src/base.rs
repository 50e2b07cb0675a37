//! What everything stands on: slots with keys, tokens of the poll, the calling thread, panics.

pub(crate) mod arena;
pub mod panics;
pub(crate) mod thread;
pub(crate) mod token;
