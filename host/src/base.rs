//! The ground: the heap and the memory, slots with keys, histograms, `host:port`, tokens of the poll and of calls, the calling thread, panics.

pub mod allocations;
pub(crate) mod arena;
pub(crate) mod cancel;
pub mod heap;
pub(crate) mod histogram;
pub(crate) mod host_port;
pub(crate) mod lock;
pub(crate) mod os;
pub(crate) mod own_memory;
pub mod panics;
pub(crate) mod prefetch;
pub(crate) mod refusal;
pub(crate) mod retry;
pub(crate) mod thread;
pub(crate) mod token;
