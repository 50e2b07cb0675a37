//! Short connections: connect, one small message, its reply, close; a few at a time.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{Count, Load, SMALL_BYTES, Watch, poll_once, socket};

/// Under way at once.
pub const CONCURRENT: usize = 8;

/// The connections under way, and how many there have been.
pub struct Accept {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    connections: Vec<Connection>,
    opened: usize,
}

struct Connection {
    stream: TcpStream,
    message: [u8; SMALL_BYTES],
    sent: bool,
    reply: [u8; SMALL_BYTES + 1],
    received: usize,
}

impl Accept {
    /// Opens the first connections.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(CONCURRENT));
        let connections = Vec::with_capacity(CONCURRENT);
        let mut load = Self { poll, events, address, connections, opened: 0 };
        for slot in 0..CONCURRENT {
            let connection = load.open(slot)?;
            load.connections.push(connection);
        }
        Ok(load)
    }

    fn open(&mut self, slot: usize) -> Result<Connection> {
        let socket = socket(self.opened)?;
        self.opened += 1;
        socket.set_nonblocking(true)?;
        match socket.connect(&self.address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(error).with_context(|| format!("connecting to {}", self.address));
            }
            _ => {}
        }
        let mut message = [0xa5; SMALL_BYTES];
        message[..8].copy_from_slice(&self.opened.to_le_bytes());
        let stream = TcpStream::from_std(socket.into());
        let reply = [0; SMALL_BYTES + 1];
        let mut connection = Connection { stream, message, sent: false, reply, received: 0 };
        // Over the loopback a connection stands before connect returns: the message can follow.
        connection.send()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut connection.stream, Token(slot), both)?;
        Ok(connection)
    }
}

impl Load for Accept {
    fn run(&mut self, time: Duration, _verify: bool) -> Result<Count> {
        let mut watch = Watch::start(time);
        let mut messages = 0;
        let mut done = Vec::with_capacity(CONCURRENT);
        while watch.goes_on(messages)? {
            poll_once(&mut self.poll, &mut self.events)?;
            for event in &self.events {
                let slot = event.token().0;
                if self.connections[slot].advance()? {
                    done.push(slot);
                }
            }
            done.sort_unstable();
            done.dedup();
            for slot in done.drain(..) {
                messages += 1;
                // The old stream is dropped here: that is the close.
                self.connections[slot] = self.open(slot)?;
            }
        }
        Ok(Count { messages, bytes: messages * SMALL_BYTES as u64 })
    }
}

impl Connection {
    /// Sends if it has not yet, reads what is there; whether the reply is whole.
    fn advance(&mut self) -> Result<bool> {
        self.send()?;
        match self.stream.read(&mut self.reply[self.received..]) {
            Ok(0) => bail!("the server closed a connection before its reply"),
            Ok(count) => self.received += count,
            Err(error) if would_block(&error) => {}
            Err(error) => return Err(error).context("reading a reply"),
        }
        if self.received < SMALL_BYTES {
            return Ok(false);
        }
        ensure!(
            self.received == SMALL_BYTES && self.reply[..SMALL_BYTES] == self.message,
            "the reply differs from the message"
        );
        Ok(true)
    }

    fn send(&mut self) -> Result<()> {
        if self.sent {
            return Ok(());
        }
        match self.stream.write_all(&self.message) {
            Ok(()) => self.sent = true,
            Err(error) if would_block(&error) => {}
            Err(error) => return Err(error).context("sending a message"),
        }
        Ok(())
    }
}

/// Not yet: not connected, or nothing there.
fn would_block(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
