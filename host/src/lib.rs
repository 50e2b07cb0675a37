//! The Sandloop host: an event loop whose protocol handlers are WebAssembly components.
//!
//! # Layout
//!
//! The modules stand on floors: each imports what stands below it, and nothing above.
//!
//! - `base`, [`clock`], `contract`, [`config`]: keys, the time, the WIT contract in Rust, `plugins.toml`;
//! - `timer`, `quota`, [`log`]: deadlines in order, bounds while the host runs, the operator's log;
//! - [`net`]: listeners, connections, and the ways out;
//! - `mail`: what instances send to each other, on whichever reactor they are;
//! - `cluster`: the same across hosts, by NATS;
//! - `plugin`: a plugin's record, its tenant, its counters;
//! - `host_api`: what a plugin can call, one module for each interface of the contract;
//! - [`engine`]: components compiled, linked and checked; one sandbox and the calls into it;
//! - [`workers`]: threads besides the reactors;
//! - [`reactor`]: the loop, its turn, and what it owns;
//! - [`carrier`]: who carries the loop, and enters the guests;
//! - [`run`]: from a configuration to a running host, and to its end;
//! - [`author`]: what those who write plugins do: make components, see them run, and test them.
#![warn(unreachable_pub, reason = "`pub` says that other crates can use it")]

pub mod author;
pub mod base;
pub mod carrier;
pub mod clock;
pub(crate) mod cluster;
pub mod config;
pub(crate) mod contract;
pub mod engine;
pub(crate) mod host_api;
pub mod log;
pub(crate) mod mail;
pub mod net;
pub(crate) mod plugin;
pub(crate) mod quota;
pub mod reactor;
pub mod run;
pub(crate) mod timer;
pub mod workers;

/// Tests are told what is done under a lock.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: base::allocations::Recording<sandloop_testkit::heap::Counting> =
    base::allocations::Recording(sandloop_testkit::heap::Counting);
