//! The load generator: one thread on mio, the same for every server.
//!
//! Each workload is a value with [`Load::run`]; the caller runs it once to warm up and once to
//! measure. Every workload verifies what comes back and gives up on a server that stalls.

mod accept;
mod bulk;
mod small;

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

/// What a generator does to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// 64 B, 50 connections, one message in flight on each.
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

impl Workload {
    /// Opens the connections of the workload.
    pub fn start(self, address: SocketAddr) -> Result<Box<dyn Load>> {
        Ok(match self {
            Self::Small => Box::new(small::Small::start(address)?),
            Self::Bulk => Box::new(bulk::Bulk::start(address)?),
            Self::Accept => Box::new(accept::Accept::start(address)?),
        })
    }

    /// The heading of its table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Small => "64 B x 50 connections, ping-pong",
            Self::Bulk => "64 KiB x 4 connections, 4 messages in flight on each",
            Self::Accept => "connect, 64 B, reply, close; 8 at a time",
        }
    }

    /// What it counts, in one word.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Small | Self::Bulk => "msg",
            Self::Accept => "conn",
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
fn connect_mio(address: SocketAddr, index: usize) -> Result<mio::net::TcpStream> {
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
