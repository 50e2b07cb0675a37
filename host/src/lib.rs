//! The Sandloop host: an event loop whose protocol handlers are WebAssembly components.
//!
//! # Layout
//!
//! The modules in the order in which a byte meets them:
//!
//! - [`config`]: `plugins.toml`, read and resolved before anything else happens;
//! - [`run`]: loads every plugin, binds every listener, starts the reactors, stops them;
//! - [`listener`]: addresses that are served;
//! - [`reactor`]: the loop, its turn, what it does with connections, instances and timers;
//! - [`connection`]: one socket with its outbox and its life;
//! - [`plugin`]: components compiled, linked and checked; one sandbox and the calls into it;
//! - [`host_api`]: what a plugin can call, one module for each interface of the contract;
//! - [`outbound`]: outgoing connections and names;
//! - [`lane`]: where handlers go on that outlive their slice;
//! - [`timer`]: deadlines in order;
//! - [`bucket`], [`meter`] and [`room`]: so much in each second, so much at once, so many sandboxes;
//! - [`clock`]: the only place that reads the time;
//! - [`observe`]: the log.

pub(crate) mod base;
pub mod clock;
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
