//! The host's functions, or in a unit test on the developer's own machine what stands in their place.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::sandloop::plugin::{
    channels, deferred, log, options, processes, queues, reactor, timers,
};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::host::{
    channels, deferred, log, options, processes, queues, reactor, timers,
};
