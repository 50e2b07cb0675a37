//! What everything stands on: slots with keys, tokens of the poll, the calling thread.

pub(crate) mod arena;
pub(crate) mod thread;
pub(crate) mod token;
