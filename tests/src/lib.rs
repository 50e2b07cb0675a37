//! The harness of the black-box suite: it starts the real `sandloop`, on ports that the kernel picks, and talks to it as other
//! programs do: over sockets, signals, its log and its exit code.
//!
//! # Layout
//! In the order of their use:
//! [`paths`] finds what is tested, [`certificates`] makes what TLS shows, [`compose`] puts more into a component, [`config`] writes a `plugins.toml`, [`contract`] lists what a plugin and a host can do, [`host`] runs it, [`log`] reads what it
//! says, [`held`] runs one that nobody reads, [`peer`] is the other end of a connection, [`process`] looks at the host from outside.
//!
//! Nothing here sleeps to let something happen: a test waits for a line, a byte, a close or an exit, each with the deadline
//! [`PATIENCE`]. What nobody reports is looked at repeatedly, with a [`pause`] between two looks.

pub mod admin;
pub mod amqp_server;
pub mod cable;
pub mod certificates;
pub mod compose;
pub mod config;
pub mod contract;
pub mod held;
pub mod host;
pub mod hostile;
pub mod log;
pub mod nats;
pub mod nginx;
pub mod paths;
pub mod peer;
pub mod pika;
pub mod process;
pub mod programs;
pub mod rabbitmq;
pub mod registry;
pub mod stub;

use std::fmt::Display;
use std::time::{Duration, Instant};

pub use admin::{Admin, AdminReply};
pub use config::{Config, Isolation, Listen, Plugin, computing_tenants};
pub use held::HeldHost;
pub use host::{Host, Outcome, Running, own_loopback, sandloop};
pub use log::LogLine;
pub use paths::{component, workspace};
pub use peer::{Peer, Server, more_than_the_kernel_holds};
pub use stub::StubServer;

/// The longest wait for anything that must happen before the test fails. Long, because it costs nothing if the host works, and
/// a busy machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks repeatedly until there is something; `missing` is the message if there is nothing within [`PATIENCE`].
#[track_caller]
pub fn until<T, M: Display>(mut look: impl FnMut() -> Option<T>, missing: impl Fn() -> M) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", missing());
        pause();
    }
}

/// Between two looks at what nobody reports. Without it, whoever waits takes the processor from what is waited for.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
