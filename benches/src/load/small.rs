//! Ping-pong: many connections, one small message in flight on each.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{Count, Load, SMALL_BYTES, Watch, connect_mio, poll_once};
use crate::native::Wire;

/// Of one look at the poll, as the native server takes them.
const EVENTS_MAX: usize = 1_024;

/// The connections, each waiting for its reply.
pub struct Small<W> {
    poll: Poll,
    events: Events,
    connections: Vec<Connection<W>>,
}

struct Connection<W> {
    stream: W,
    /// What was sent last; it differs from the one before and from every other connection's.
    message: [u8; SMALL_BYTES],
    sequence: u64,
    /// Of the reply; longer by one, so that a server that says too much is noticed.
    reply: [u8; SMALL_BYTES + 1],
    received: usize,
}

impl Small<TcpStream> {
    /// Opens the connections and sends the first message on each.
    pub fn start(address: SocketAddr, count: usize) -> Result<Self> {
        Small::over(count, |index| connect_mio(address, index))
    }
}

impl<W: Wire> Small<W> {
    /// The same over what `open` makes, which is ready for a poll.
    pub fn over(count: usize, open: impl Fn(usize) -> Result<W>) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let mut stream = open(index)?;
            poll.registry().register(stream.socket(), Token(index), Interest::READABLE)?;
            connections.push(Connection::new(stream, index)?);
        }
        Ok(Self { poll, events: Events::with_capacity(count.min(EVENTS_MAX)), connections })
    }
}

impl<W: Wire> Load for Small<W> {
    /// 64 bytes are compared in no time: they always are.
    fn run(&mut self, time: Duration, _verify: bool) -> Result<Count> {
        let mut watch = Watch::start(time);
        let mut messages = 0;
        while watch.goes_on(messages)? {
            poll_once(&mut self.poll, &mut self.events)?;
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                messages += connection.advance(event.is_read_closed())?;
            }
        }
        Ok(Count { messages, bytes: messages * SMALL_BYTES as u64 })
    }
}

impl<W: Wire> Connection<W> {
    fn new(stream: W, index: usize) -> Result<Self> {
        let mut message = [0x5a; SMALL_BYTES];
        message[..8].copy_from_slice(&index.to_le_bytes());
        let reply = [0; SMALL_BYTES + 1];
        let mut connection = Self { stream, message, sequence: 0, reply, received: 0 };
        connection.send()?;
        Ok(connection)
    }

    /// Reads the reply; when it is whole, checks it and sends the next message.
    fn advance(&mut self, closed: bool) -> Result<u64> {
        ensure!(!closed, "the server closed a connection");
        match self.stream.read(&mut self.reply[self.received..]) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => self.received += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error).context("reading a reply"),
        }
        if self.received < SMALL_BYTES {
            return Ok(0);
        }
        ensure!(
            self.received == SMALL_BYTES && self.reply[..SMALL_BYTES] == self.message,
            "the reply differs from the message"
        );
        self.received = 0;
        self.send()?;
        Ok(1)
    }

    fn send(&mut self) -> Result<()> {
        self.sequence += 1;
        self.message[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        // One small message in flight never fills a socket's buffer.
        self.stream.write_all(&self.message).context("sending a message")
    }
}
