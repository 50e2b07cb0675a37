//! Bulk: a few connections that stream long messages, with a window in flight.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{Count, Load, Watch, connect_mio, poll_once};

const MESSAGE_BYTES: usize = 64 * 1024;
/// Streams at once.
pub const CONNECTIONS: usize = 4;
const WINDOW_BYTES: u64 = 4 * MESSAGE_BYTES as u64;
/// A prime: the pattern drifts against every power of two that a server may cut the stream at.
const PERIOD: usize = 65_521;

/// The connections and the stream that they all send, each from its own place.
pub struct Bulk {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    /// One period and a message more, so that a message is one slice wherever it starts.
    pattern: Vec<u8>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    phase: usize,
    sent: u64,
    received: u64,
}

impl Bulk {
    /// Opens the connections; the first run sends.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for index in 0..CONNECTIONS {
            let mut stream = connect_mio(address, index)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), both)?;
            let phase = index * (PERIOD / CONNECTIONS);
            connections.push(Connection { stream, phase, sent: 0, received: 0 });
        }
        let events = Events::with_capacity(CONNECTIONS);
        let buffer = vec![0; MESSAGE_BYTES];
        Ok(Self { poll, events, connections, pattern: pattern(), buffer })
    }

    fn received(&self) -> u64 {
        self.connections.iter().map(|connection| connection.received).sum()
    }
}

impl Load for Bulk {
    fn run(&mut self, time: Duration, verify: bool) -> Result<Count> {
        let mut watch = Watch::start(time);
        let before = self.received();
        while watch.goes_on(self.received())? {
            poll_once(&mut self.poll, &mut self.events)?;
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                connection.receive(&mut self.buffer, &self.pattern, verify)?;
                connection.send(&self.pattern)?;
            }
        }
        let bytes = self.received() - before;
        Ok(Count { messages: bytes / MESSAGE_BYTES as u64, bytes })
    }
}

impl Connection {
    /// Reads until nothing is left; the window bounds how much that can be.
    fn receive(&mut self, buffer: &mut [u8], pattern: &[u8], verify: bool) -> Result<()> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("reading"),
            };
            if verify {
                let expected = &pattern[self.place(self.received)..][..count];
                ensure!(buffer[..count] == *expected, "the stream came back changed");
            }
            self.received += count as u64;
            ensure!(self.received <= self.sent, "more came back than was sent");
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Sends while a whole message fits the window, or the rest of one begun.
    fn send(&mut self, pattern: &[u8]) -> Result<()> {
        let message = MESSAGE_BYTES as u64;
        loop {
            let begun = self.sent % message;
            if begun == 0 && WINDOW_BYTES < self.sent - self.received + message {
                return Ok(());
            }
            let rest = MESSAGE_BYTES - usize::try_from(begun)?;
            match self.stream.write(&pattern[self.place(self.sent)..][..rest]) {
                Ok(count) => self.sent += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("sending"),
            }
        }
    }

    /// Where in the pattern the byte at `position` of the stream is.
    fn place(&self, position: u64) -> usize {
        // A remainder of a small number is one.
        ((position + self.phase as u64) % PERIOD as u64) as usize
    }
}

/// Bytes without a short cycle, the same in every run.
fn pattern() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(PERIOD)
    .collect();
    bytes.extend_from_within(..);
    bytes.truncate(PERIOD + MESSAGE_BYTES);
    bytes.extend_from_within(..PERIOD + MESSAGE_BYTES - bytes.len());
    bytes
}
