//! One connection of the native server: what is readable, what is owed, when to stop reading.

use std::{collections::VecDeque, io::ErrorKind};

use mio::event::Event;

use super::{Protocol, Wire};

/// Reading stops above this: the peer sends faster than it reads.
const OUTBOX_HIGH_BYTES: usize = 64 * 1024;
/// Reading starts again at this.
const OUTBOX_LOW_BYTES: usize = 16 * 1024;
/// Reads for one connection in one turn.
const READS_MAX: usize = 16;

/// What the server does with the connection next.
pub enum Next {
    /// Nothing, until the poll names it.
    Wait,
    /// It used up its share: continue next turn.
    Again,
    /// Drop it.
    Close,
}

/// An accepted socket and the state around it.
pub struct Connection<P, W> {
    protocol: P,
    stream: W,
    outbox: VecDeque<u8>,
    /// The socket may hold bytes: it was reported and has not been drained since.
    readable: bool,
    /// The poll reported the end of the peer's stream: a short read is then not the last one.
    read_closed: bool,
    /// The end was read; what is owed is still sent.
    ended: bool,
    /// Above the high mark, and not yet below the low one.
    paused: bool,
}

impl<P: Protocol, W: Wire> Connection<P, W> {
    /// A connection that nothing is known about.
    pub fn new(stream: W, protocol: P) -> Self {
        Self {
            protocol,
            stream,
            outbox: VecDeque::new(),
            readable: false,
            read_closed: false,
            ended: false,
            paused: false,
        }
    }

    /// Takes in what the poll says.
    pub fn note(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.read_closed |= event.is_read_closed() || event.is_error();
    }

    /// Writes what is owed, then reads and echoes while that makes sense.
    pub fn advance(&mut self, buffer: &mut [u8], scratch: &mut Vec<u8>) -> Next {
        if self.flush().is_err() {
            return Next::Close;
        }
        for _ in 0..READS_MAX {
            if self.ended && self.outbox.is_empty() {
                return Next::Close;
            }
            if self.paused || self.ended || !self.readable {
                return Next::Wait;
            }
            match self.stream.read(buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    // Less than asked for: the socket is empty, and a new edge will tell of more.
                    if W::SHORT_READ_IS_THE_LAST && count < buffer.len() && !self.read_closed {
                        self.readable = false;
                    }
                    scratch.clear();
                    let answer = self.protocol.receive(&buffer[..count], scratch);
                    if send(&mut self.stream, &mut self.outbox, answer).is_err() {
                        return Next::Close;
                    }
                    self.paused |= OUTBOX_HIGH_BYTES < self.outbox.len();
                    self.ended |= self.protocol.is_over();
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.readable = false,
                    ErrorKind::Interrupted => {}
                    _ => return Next::Close,
                },
            }
        }
        Next::Again
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        while !self.outbox.is_empty() {
            let front = self.outbox.as_slices().0;
            let asked = front.len();
            let written = write(&mut self.stream, front)?;
            self.outbox.drain(..written);
            if written < asked {
                break;
            }
        }
        self.paused &= OUTBOX_LOW_BYTES < self.outbox.len();
        Ok(())
    }
}

/// Straight to the socket when nothing waits before it; the rest into the outbox.
fn send(stream: &mut impl Wire, outbox: &mut VecDeque<u8>, mut data: &[u8]) -> std::io::Result<()> {
    if outbox.is_empty() && !data.is_empty() {
        data = &data[write(stream, data)?..];
    }
    outbox.extend(data);
    Ok(())
}

/// One write, of which "not now" is no error.
fn write(stream: &mut impl Wire, data: &[u8]) -> std::io::Result<usize> {
    loop {
        match stream.write(data) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
