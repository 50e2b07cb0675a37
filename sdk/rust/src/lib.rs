//! The Rust SDK: a plugin is a few types and one macro.
#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! One noun, one module, named as in the contract (`wit/`), in the order in which a plugin meets them:
//!
//! - [`plugin!`]: makes a crate a plugin.
//! - [`connection`]: the callbacks of one connection.
//! - [`sockets`]: what a connection may do, and making outgoing ones.
//! - [`timers`]: what happens later.
//! - [`reactor`]: the loop: ticks, stop.
//! - [`lifecycle`]: the program around the connections.
//! - [`options`], [`log`]: the operator's words, and words for the operator.
//! - [`types`]: addresses, close reasons, error codes.

#[doc(hidden)]
pub mod bindings;
pub mod connection;
mod duration;
pub mod lifecycle;
pub mod log;
pub mod options;
#[doc(hidden)]
pub mod plugin;
pub mod reactor;
pub mod sockets;
pub mod timers;
pub mod types;

pub use connection::Connection;
pub use lifecycle::Program;
pub use options::Options;
pub use reactor::{is_running, next_tick, schedule, stop};
pub use sockets::{Socket, connect, connect_to, connect_unix};
pub use timers::{PeriodicTimer, Timer, add_periodic_timer, add_timer, cancel_timer};
pub use types::{Address, CloseReason, ErrorCode};

/// What [`Program::prepare`] and [`Program::start`] answer: any error may be returned with `?`.
pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
