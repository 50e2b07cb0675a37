//! The load generator: one thread on mio, the same for every server.
//!
//! Each workload is a value with [`Load::run`]; the caller runs it once to warm up and once to
//! measure. Every workload verifies what comes back and gives up on a server that stalls.

mod accept;
mod bulk;
pub mod small;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use mio::{Events, Poll};
use serde::Serialize;
use socket2::{Domain, Socket, Type};

use crate::sys;

/// A server that answers nothing for this long has failed.
const STALL: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest the generator waits without a look at the clock.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
/// The message of the small and the accept workload.
pub const SMALL_BYTES: usize = 64;
/// Addresses of the loopback network that connections come from: each has its own ports.
const SOURCES: usize = 200;

/// The kind of what a generator does to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// 64 B, one message in flight on each connection.
    Small,
    /// 64 KiB messages, 4 connections, 4 messages in flight on each.
    Bulk,
    /// connect, 64 B, reply, close.
    #[value(skip)]
    Accept,
}

/// What came back in an interval.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// Complete messages; of [`Workload::Accept`], complete connections.
    pub messages: u64,
    /// Their bytes, in one direction.
    pub bytes: u64,
}

/// A workload with its connections open.
pub trait Load {
    /// Runs it for `time` and counts what came back, all of it verified when `verify` is set.
    fn run(&mut self, time: Duration, verify: bool) -> Result<Count>;
}

/// What a generator does to a server, and on how many connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Of which kind.
    pub workload: Workload,
    /// Open at once.
    pub connections: usize,
}

impl Work {
    /// Messages of 64 bytes on so many connections.
    pub fn small(connections: usize) -> Self {
        Self { workload: Workload::Small, connections }
    }

    /// The stream of long messages.
    pub fn bulk() -> Self {
        Self { workload: Workload::Bulk, connections: bulk::CONNECTIONS }
    }

    /// Connections that come and go.
    pub fn accept() -> Self {
        Self { workload: Workload::Accept, connections: accept::CONCURRENT }
    }

    /// Opens the connections.
    pub fn start(self, address: SocketAddr) -> Result<Box<dyn Load>> {
        Ok(match self.workload {
            Workload::Small => Box::new(small::Small::start(address, self.connections)?),
            Workload::Bulk => Box::new(bulk::Bulk::start(address)?),
            Workload::Accept => Box::new(accept::Accept::start(address)?),
        })
    }

    /// The heading of its table.
    pub fn title(self) -> String {
        let connections = self.connections;
        match self.workload {
            Workload::Small if connections == 1 => "64 B x 1 connection, ping-pong".to_owned(),
            Workload::Small => format!("64 B x {connections} connections, ping-pong"),
            Workload::Bulk => {
                format!("64 KiB x {connections} connections, 4 messages in flight on each")
            }
            Workload::Accept => format!("connect, 64 B, reply, close; {connections} at a time"),
        }
    }

    /// The same in a word or two.
    pub fn name(self) -> String {
        match self.workload {
            Workload::Small => format!("64 B x {}", self.connections),
            Workload::Bulk => format!("64 KiB x {}", self.connections),
            Workload::Accept => "accept".to_owned(),
        }
    }

    /// What it counts, in one word.
    pub fn unit(self) -> &'static str {
        match self.workload {
            Workload::Small | Workload::Bulk => "msg",
            Workload::Accept => "conn",
        }
    }
}

/// A blocking connection without Nagle's delay, the `index`th of many.
pub fn connect(address: SocketAddr, index: usize) -> Result<TcpStream> {
    let socket = socket(index)?;
    socket
        .connect_timeout(&address.into(), CONNECT_TIMEOUT)
        .with_context(|| format!("connecting to {address}"))?;
    Ok(socket.into())
}

/// The same, ready for a poll.
pub fn connect_mio(address: SocketAddr, index: usize) -> Result<mio::net::TcpStream> {
    let stream = connect(address, index)?;
    stream.set_nonblocking(true)?;
    Ok(mio::net::TcpStream::from_std(stream))
}

/// A socket bound to the source address whose turn it is, so that ports never run short; which
/// port, the kernel decides at connect, when it knows the whole pair.
fn socket(index: usize) -> Result<Socket> {
    let last = u8::try_from(1 + index % SOURCES).context("a source address")?;
    let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    sys::bind_without_port(&socket)?;
    socket.bind(&source.into())?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Ends a run: at its deadline well, at a stall with an error.
struct Watch {
    deadline: Instant,
    progress: Instant,
    seen: u64,
}

impl Watch {
    fn start(time: Duration) -> Self {
        let now = Instant::now();
        Self { deadline: now + time, progress: now, seen: 0 }
    }

    /// Whether to go on, with `seen` as the measure of progress.
    fn goes_on(&mut self, seen: u64) -> Result<bool> {
        let now = Instant::now();
        if self.seen != seen {
            self.seen = seen;
            self.progress = now;
        } else if STALL < now - self.progress {
            bail!("nothing came back for {} s", STALL.as_secs());
        }
        Ok(now < self.deadline)
    }
}

/// Waits for events, no longer than the clock may be left alone.
fn poll_once(poll: &mut Poll, events: &mut Events) -> Result<()> {
    match poll.poll(events, Some(POLL_TIMEOUT)) {
        Err(error) if error.kind() != std::io::ErrorKind::Interrupted => Err(error.into()),
        _ => Ok(()),
    }
}
