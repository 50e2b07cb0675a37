//! What everything stands on: slots with keys, tokens of the poll and of calls, the calling thread.

pub(crate) mod arena;
pub(crate) mod cancel;
pub(crate) mod thread;
pub(crate) mod token;
