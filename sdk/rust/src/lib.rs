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
//! - [`proxying`]: bytes from one connection to another, past the plugin.
//! - [`files`]: files to a connection.
//! - [`watching`]: changes of files.
//! - [`listeners`], [`datagrams`]: listeners and UDP sockets of the plugin's own.
//! - [`tls`]: TLS on a connection, in either role.
//! - [`timers`]: what happens later.
//! - [`reactor`]: the loop: ticks, stop.
//! - [`deferrable`], [`completion`]: something that will succeed or fail.
//! - [`deferred`](mod@deferred): work off the loop.
//! - [`spawn`](mod@spawn): blocks that are notified, inside this instance.
//! - [`processes`]: sandboxes of the plugin's own making.
//! - [`cluster_processes`]: the same on all hosts of a cluster.
//! - [`channels`], [`queues`]: one to all, one to one, between instances.
//! - [`iterator`], [`pool`], [`tick_loop`](mod@tick_loop): lists, resources and turns worked through by callbacks.
//! - `frames`, with the feature of that name: lines, requests of a header and a body, objects, netstrings.
//! - `http`, with the feature of that name: servers and clients of HTTP, WebSocket.
//! - `amqp`, with the feature of that name: a client of RabbitMQ and its kin.
//! - [`lifecycle`]: the program around the connections.
//! - [`hooks`]: what runs at the end.
//! - [`options`], [`log`]: the operator's words, and words for the operator.
//! - [`types`]: addresses, close reasons, error codes.
//! - `testing`, on the developer's own machine only: a loop whose clock a unit test moves, and the other ends of its
//!   connections.
#![warn(unreachable_pub, reason = "`pub` says that other crates can use it")]

#[cfg(feature = "amqp")]
pub mod amqp;
#[doc(hidden)]
pub mod bindings;
mod byte_counts;
mod callbacks;
pub mod channels;
pub mod cluster_processes;
pub mod completion;
pub mod connection;
pub mod datagrams;
pub mod deferrable;
pub mod deferred;
mod duration;
pub mod files;
#[cfg(feature = "frames")]
pub mod frames;
pub mod hooks;
mod host;
#[cfg(feature = "http")]
pub mod http;
pub mod iterator;
pub mod lifecycle;
pub mod listeners;
pub mod log;
pub mod options;
#[doc(hidden)]
pub mod plugin;
pub mod pool;
pub mod processes;
pub mod proxying;
pub mod queues;
pub mod reactor;
pub mod sockets;
pub mod spawn;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tick_loop;
pub mod timers;
pub mod tls;
#[cfg(any(feature = "amqp", feature = "frames", feature = "http"))]
mod transport;
pub mod types;
pub mod watching;

pub use channels::{Channel, Subscription};
pub use completion::Completion;
pub use connection::{Connection, Drain};
pub use datagrams::open_datagram_socket;
pub use deferrable::{DefaultDeferrable, Deferrable, Status, future};
pub use deferred::{Failure, Operation, defer, deferred, try_defer};
pub use files::{FileError, FileStreamer};
pub use hooks::{add_shutdown_hook, error_handler};
pub use lifecycle::Program;
pub use listeners::{
    ListenAddress, ListenError, Server, start_server, start_unix_domain_server, stop_server,
};
pub use options::Options;
pub use pool::Pool;
pub use proxying::{ProxyError, ProxyOptions};
pub use queues::Queue;
pub use reactor::{is_running, next_tick, schedule, stop};
pub use sockets::{Socket, bind_connect, connect, connect_to, connect_unix, connection_count};
pub use spawn::{SpawnedProcess, spawn};
pub use tick_loop::{TickLoop, tick_loop};
pub use timers::{IdleTimer, PeriodicTimer, Timer, add_periodic_timer, add_timer, cancel_timer};
pub use tls::{TlsClient, TlsServer, Verification};
pub use types::{Address, CloseReason, ErrorCode};
pub use watching::{FileWatch, Watch, WatchError, watch_file};

/// What [`Program::prepare`] and [`Program::start`] answer: any error may be returned with `?`.
pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The code of the guide is compiled as an external plugin would be; it uses every feature.
#[cfg(all(doctest, feature = "amqp", feature = "frames", feature = "http"))]
#[doc = include_str!("../../../docs/plugin-guide.md")]
struct PluginGuide;
