//! The baseline: an echo server on mio as a good one is written, with no sandbox in it.
//!
//! It does what the host does for the echo plugin: one thread, edge-triggered readiness, 64 KiB
//! reads, a direct write with an outbox behind it, reading paused for a slow peer, bounded work for
//! a connection a turn.

mod connection;

use std::{
    io::{Read, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context as _, Result};
use mio::{
    Events, Interest, Poll, Token,
    event::Event,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use socket2::{Domain, Socket, Type};

use connection::{Connection, Next};

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;
const EVENTS_MAX: usize = 1_024;
/// Accepted in a turn, so that a storm of connections does not starve the open ones.
const ACCEPTS_MAX: usize = 256;
const READ_BYTES: usize = 64 * 1024;

/// What a server does with what it reads. One for each connection.
pub trait Protocol {
    /// What goes back for `data`: the data itself, or what was written to `scratch`, which is empty.
    fn receive<'a>(&mut self, data: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8];

    /// Whether the connection is to close once what it owes is sent.
    fn is_over(&self) -> bool {
        false
    }
}

/// How bytes come and go, over a socket.
pub trait Wire: Read + Write {
    /// Whether a read of less than was asked for has taken all that the socket has.
    const SHORT_READ_IS_THE_LAST: bool;

    /// The socket.
    fn socket(&mut self) -> &mut TcpStream;
}

impl Wire for TcpStream {
    const SHORT_READ_IS_THE_LAST: bool = true;

    fn socket(&mut self) -> &mut TcpStream {
        self
    }
}

/// Sends back what it receives.
#[derive(Debug)]
pub struct Echo;

impl Protocol for Echo {
    fn receive<'a>(&mut self, data: &'a [u8], _: &'a mut Vec<u8>) -> &'a [u8] {
        data
    }
}

struct Server<P, W, O> {
    protocol: fn() -> P,
    open: O,
    poll: Poll,
    listener: TcpListener,
    connections: Slab<Connection<P, W>>,
    /// One buffer for all: nothing is kept in it between two reads.
    buffer: Box<[u8]>,
    /// Another one, for what is sent.
    scratch: Vec<u8>,
    /// Connections that used up their share of a turn and may have more to read.
    again: Vec<usize>,
    /// Whether the last turn left connections to accept.
    accept_again: bool,
}

/// Serves until the process is killed; prints the address in the host's words.
pub fn serve<P: Protocol>(address: SocketAddr, protocol: fn() -> P) -> Result<()> {
    serve_over(address, protocol, |stream| stream)
}

/// The same over what `open` makes of each socket.
pub fn serve_over<P: Protocol, W: Wire>(
    address: SocketAddr,
    protocol: fn() -> P,
    open: impl Fn(TcpStream) -> W,
) -> Result<()> {
    let mut listener = bind(address).with_context(|| format!("listening on {address}"))?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    eprintln!("serving address=tcp://{}", listener.local_addr()?);
    let mut server = Server {
        protocol,
        open,
        poll,
        listener,
        connections: Slab::new(),
        buffer: vec![0; READ_BYTES].into_boxed_slice(),
        scratch: Vec::new(),
        again: Vec::new(),
        accept_again: false,
    };
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        server.turn(&mut events)?;
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl<P: Protocol, W: Wire, O: Fn(TcpStream) -> W> Server<P, W, O> {
    fn turn(&mut self, events: &mut Events) -> Result<()> {
        let pending = self.accept_again || !self.again.is_empty();
        match self.poll.poll(events, pending.then_some(Duration::ZERO)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(error.into());
            }
            _ => {}
        }
        for key in std::mem::take(&mut self.again) {
            self.advance(key, None);
        }
        let mut accept = std::mem::take(&mut self.accept_again);
        for event in &*events {
            match event.token() {
                LISTENER => accept = true,
                Token(key) => self.advance(key, Some(event)),
            }
        }
        if accept {
            self.accept();
        }
        Ok(())
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_MAX {
            match self.listener.accept() {
                Ok((stream, _)) => self.open(stream),
                Err(error) => match error.kind() {
                    std::io::ErrorKind::WouldBlock => return,
                    std::io::ErrorKind::Interrupted | std::io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        eprintln!("accept: {error}");
                        return;
                    }
                },
            }
        }
        self.accept_again = true;
    }

    fn open(&mut self, stream: TcpStream) {
        let mut stream = (self.open)(stream);
        let entry = self.connections.vacant_entry();
        let both = Interest::READABLE | Interest::WRITABLE;
        let socket = stream.socket();
        let ready = socket
            .set_nodelay(true)
            .and_then(|()| self.poll.registry().register(socket, Token(entry.key()), both));
        match ready {
            Ok(()) => _ = entry.insert(Connection::new(stream, (self.protocol)())),
            Err(error) => eprintln!("accept: {error}"),
        }
    }

    /// A key that is gone, or that is another connection by now, is harmless: readiness is a hint.
    fn advance(&mut self, key: usize, event: Option<&Event>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Some(event) = event {
            connection.note(event);
        }
        match connection.advance(&mut self.buffer, &mut self.scratch) {
            Next::Wait => {}
            Next::Again => self.again.push(key),
            // Dropping the socket takes it out of the poll.
            Next::Close => _ = self.connections.remove(key),
        }
    }
}
