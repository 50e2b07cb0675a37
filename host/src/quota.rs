//! Limits at run time: counts, bytes, and rates per second.

pub(crate) mod budget;
pub(crate) mod calls_by_tenant;
pub(crate) mod fair_queue;
pub(crate) mod halves;
pub(crate) mod host_memory;
pub(crate) mod instances;
pub(crate) mod semaphore;
pub(crate) mod term;
pub(crate) mod token_bucket;
