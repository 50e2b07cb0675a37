//! TLS over a stream socket: the session, and what it holds back for the socket.

pub(crate) mod agreed;
pub(crate) mod failure;

use std::fmt;
use std::io;
use std::io::{IoSlice, Read, Write};
use std::sync::Arc;

use rustls::{Connection as Session, ServerConfig, ServerConnection};

use crate::net::connection::stream::Stream;

/// More is never left of a record that has not come whole: its header and what its content may have.
const PARTIAL_BYTES_MAX: usize = 20 * 1024;
/// Bytes of one write: what one record carries. More than this is not held back for the socket.
const RECORD_BYTES: usize = 16 * 1024;
/// Reads of up to 4 KiB in one step of a handshake; the longest message is 64 KiB.
const READS_PER_STEP: usize = 16;

/// A stream socket with TLS.
pub struct TlsStream {
    socket: Stream,
    session: Session,
    /// What was wrong with what the peer sent, behind what was right.
    fault: Option<rustls::Error>,
    /// The peer has said that its stream is at its end.
    peer_has_ended: bool,
    /// We have said that ours is.
    has_ended: bool,
    /// There may be something to read, although the poll tells nothing new.
    holds_input: bool,
    judgement: Judgement,
}

/// Whether somebody else judges the peer's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Nobody, or it was taken.
    Over,
    /// As soon as it is there.
    Wanted,
    /// It is being judged: nothing more goes out.
    Awaited,
}

/// How far a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// It is complete.
    Done,
    /// It waits for the peer.
    Waits,
    /// There is more to do at once.
    GoesOn,
    /// It waits until the peer's certificate is judged.
    Asks,
}

impl TlsStream {
    /// The side that was connected to; nothing has been read from the socket.
    pub fn server(socket: Stream, config: Arc<ServerConfig>) -> io::Result<TlsStream> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsStream::new(socket, session.into()))
    }

    /// A session that has not begun, over this socket.
    pub fn begin(socket: Stream, session: Session, judgement: Judgement) -> TlsStream {
        TlsStream { judgement, ..TlsStream::new(socket, session) }
    }

    fn new(socket: Stream, session: Session) -> TlsStream {
        TlsStream {
            socket,
            session,
            fault: None,
            peer_has_ended: false,
            has_ended: false,
            holds_input: false,
            judgement: Judgement::Over,
        }
    }

    /// What was agreed on, and with whom.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The peer's certificate is taken.
    pub fn take_peer(&mut self) {
        self.judgement = Judgement::Over;
    }

    /// The socket below.
    pub fn socket(&self) -> &Stream {
        &self.socket
    }

    /// The same to change it.
    pub fn socket_mut(&mut self) -> &mut Stream {
        &mut self.socket
    }

    /// Goes on with the handshake: one step, which may be a millisecond of cryptography.
    ///
    /// # Errors
    /// What is wrong with the peer's part, which it has been told, or what the socket says; `UnexpectedEof` where the peer has
    /// gone.
    pub fn shake(&mut self) -> io::Result<Handshake> {
        let mut left = READS_PER_STEP;
        loop {
            match self.judgement {
                // Before anything goes out that says who we are.
                Judgement::Wanted if self.session.peer_certificates().is_some() => {
                    self.judgement = Judgement::Awaited;
                    return Ok(Handshake::Asks);
                }
                Judgement::Awaited => return Ok(Handshake::Waits),
                Judgement::Over | Judgement::Wanted => {}
            }
            if !may_wait(self.push_out())? {
                return Ok(Handshake::Waits);
            }
            if !self.session.is_handshaking() {
                // Its last message may have come with more behind it.
                self.holds_input = true;
                return Ok(Handshake::Done);
            }
            if left == 0 {
                return Ok(Handshake::GoesOn);
            }
            left -= 1;
            match self.session.read_tls(&mut Wire(&mut self.socket)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Handshake::Waits);
                }
                Err(error) => return Err(error),
            }
            if let Err(error) = self.session.process_new_packets() {
                return Err(self.refuse(error));
            }
        }
    }

    /// Reads what is there, once from the socket. `Ok(0)` is the end that the peer has said; `UnexpectedEof` is one that it has
    /// not said, so that something may be missing.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let held = self.take_decrypted(buffer)?;
        if 0 < held {
            self.holds_input = true;
            return Ok(held);
        }
        self.holds_input = false;
        if let Some(error) = self.fault.take() {
            return Err(self.refuse(error));
        }
        if self.peer_has_ended {
            return Ok(0);
        }
        // What comes in stands behind what it becomes, which is less, but for what is left of an earlier record.
        let behind = PARTIAL_BYTES_MAX.min(buffer.len() / 2);
        let arrived = self.socket.read(&mut buffer[behind..])?;
        if arrived == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.holds_input = behind + arrived == buffer.len();
        let read = self.decrypt(buffer, behind, behind + arrived)?;
        // Answers of the session's own, such as new keys.
        may_wait(self.push_out())?;
        if read == 0 && !self.peer_has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(read)
    }

    /// Decrypts what stands from `next` to `end` to the front of the buffer; says how much it is.
    fn decrypt(&mut self, buffer: &mut [u8], mut next: usize, end: usize) -> io::Result<usize> {
        let mut read = 0;
        while next < end && !self.peer_has_ended {
            let mut rest = &buffer[next..end];
            next += self.session.read_tls(&mut rest)?;
            let state = match self.session.process_new_packets() {
                Ok(state) => state,
                Err(error) if read == 0 => return Err(self.refuse(error)),
                Err(error) => {
                    // First what was right before it.
                    self.fault = Some(error);
                    self.holds_input = true;
                    return Ok(read);
                }
            };
            self.peer_has_ended = state.peer_has_closed();
            read += self.take_decrypted(&mut buffer[read..next])?;
        }
        self.holds_input |= self.peer_has_ended;
        Ok(read)
    }

    /// What is decrypted already.
    fn take_decrypted(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < buffer.len() {
            match self.session.reader().read(&mut buffer[taken..]) {
                Ok(0) => break,
                Ok(count) => taken += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Takes what becomes one record, and writes as much of it as fits; the rest is held back.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.session.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.push_out()?;
        let taken = self.session.writer().write(&bytes[..bytes.len().min(RECORD_BYTES)])?;
        may_wait(self.push_out())?;
        Ok(taken)
    }

    /// Whether it holds back what is to be written.
    pub fn holds_output(&self) -> bool {
        self.session.wants_write() && self.judgement != Judgement::Awaited
    }

    /// Whether there may be something to read without news from the poll.
    pub fn holds_input(&self) -> bool {
        self.holds_input
    }

    /// Writes what is held back; `WouldBlock` where some is left.
    pub fn push_out(&mut self) -> io::Result<()> {
        if self.judgement == Judgement::Awaited {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        while self.session.wants_write() {
            self.session.write_tls(&mut Wire(&mut self.socket))?;
        }
        Ok(())
    }

    /// Tells the peer that nothing more comes. True when that is written.
    pub fn say_end(&mut self) -> io::Result<bool> {
        if self.session.is_handshaking() {
            return Ok(true);
        }
        if !std::mem::replace(&mut self.has_ended, true) {
            self.session.send_close_notify();
        }
        may_wait(self.push_out())
    }

    /// The peer is told what was wrong, if it can be.
    fn refuse(&mut self, error: rustls::Error) -> io::Error {
        // The connection ends either way.
        let _ = self.push_out();
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// False where something would have to wait.
fn may_wait(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// The socket as the session reads and writes it.
struct Wire<'a>(&'a mut Stream);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
