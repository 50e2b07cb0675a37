//! TLS over a stream socket: the session, and its pending records.

pub(crate) mod agreed;
pub(crate) mod failure;

use std::fmt;
use std::io;
use std::io::{IoSlice, Read, Write};
use std::sync::Arc;

use rustls::{Connection as Session, ServerConfig, ServerConnection};

use crate::net::connection::stream::Stream;

/// The most bytes of an incomplete record: its header and its longest content.
const PARTIAL_BYTES_MAX: usize = 20 * 1024;
/// Bytes of one write, which is one record. At most this is pending for the socket.
const RECORD_BYTES: usize = 16 * 1024;
/// The most reads of 4 KiB in one step of a handshake; the longest message has 64 KiB.
const READS_PER_STEP: usize = 16;

/// A stream socket with TLS.
pub struct TlsStream {
    socket: Stream,
    session: Session,
    /// An error in the peer's records, reported after the bytes before it.
    fault: Option<rustls::Error>,
    /// `close_notify` was received.
    peer_has_ended: bool,
    /// `close_notify` was sent.
    has_ended: bool,
    /// There may be input that the poll does not report.
    holds_input: bool,
    verification: PeerVerification,
}

/// Whether a plugin verifies the peer's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerVerification {
    /// No plugin does, or it has accepted the certificate.
    Done,
    /// It does as soon as the certificate has come.
    Wanted,
    /// It is asked: the handshake stands still, and nothing is sent.
    Pending,
}

/// The progress of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// It is complete.
    Done,
    /// It waits for the peer.
    Waits,
    /// There is more to do without waiting.
    GoesOn,
    /// It waits for the plugin to verify the peer's certificate.
    Asks,
}

impl TlsStream {
    /// The server's side; nothing has been read from the socket.
    pub fn server(socket: Stream, config: Arc<ServerConfig>) -> io::Result<TlsStream> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsStream::new(socket, session.into()))
    }

    pub fn begin(socket: Stream, session: Session, verification: PeerVerification) -> TlsStream {
        TlsStream { verification, ..TlsStream::new(socket, session) }
    }

    fn new(socket: Stream, session: Session) -> TlsStream {
        TlsStream {
            socket,
            session,
            fault: None,
            peer_has_ended: false,
            has_ended: false,
            holds_input: false,
            verification: PeerVerification::Done,
        }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The plugin has accepted the peer's certificate.
    pub fn take_peer(&mut self) {
        self.verification = PeerVerification::Done;
    }

    /// The socket below.
    pub fn socket(&self) -> &Stream {
        &self.socket
    }

    pub fn socket_mut(&mut self) -> &mut Stream {
        &mut self.socket
    }

    /// Does one step of the handshake, which may need a millisecond of CPU time.
    ///
    /// # Errors
    /// A fault of the peer, which has been sent the alert; an error of the socket; `UnexpectedEof` if the peer has closed.
    pub fn continue_handshake(&mut self) -> io::Result<Handshake> {
        let mut left = READS_PER_STEP;
        loop {
            match self.verification {
                // Before our own certificate is sent.
                PeerVerification::Wanted if self.session.peer_certificates().is_some() => {
                    self.verification = PeerVerification::Pending;
                    return Ok(Handshake::Asks);
                }
                PeerVerification::Pending => return Ok(Handshake::Waits),
                PeerVerification::Done | PeerVerification::Wanted => {}
            }
            if !may_wait(self.push_out())? {
                return Ok(Handshake::Waits);
            }
            if !self.session.is_handshaking() {
                // Application data may have come with the last handshake message.
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

    /// Reads from the socket once and decrypts. `Ok(0)` is an end with `close_notify`; `UnexpectedEof` is one without it, so
    /// that the stream may be truncated.
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
        // Records are read behind the space for their plain text, which is shorter except for the rest of an earlier record.
        let behind = PARTIAL_BYTES_MAX.min(buffer.len() / 2);
        let arrived = self.socket.read(&mut buffer[behind..])?;
        if arrived == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.holds_input = behind + arrived == buffer.len();
        let read = self.decrypt(buffer, behind, behind + arrived)?;
        // The session's own records, such as key updates.
        may_wait(self.push_out())?;
        if read == 0 && !self.peer_has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(read)
    }

    /// Decrypts the bytes from `next` to `end` into the front of the buffer; returns the length of the plain text.
    fn decrypt(&mut self, buffer: &mut [u8], mut next: usize, end: usize) -> io::Result<usize> {
        let mut read = 0;
        while next < end && !self.peer_has_ended {
            let mut rest = &buffer[next..end];
            next += self.session.read_tls(&mut rest)?;
            let state = match self.session.process_new_packets() {
                Ok(state) => state,
                Err(error) if read == 0 => return Err(self.refuse(error)),
                Err(error) => {
                    // Bytes before the fault are delivered first.
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

    /// Takes plain text that the session holds.
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

    /// Encrypts one record and writes as much of it as the socket accepts; the rest is pending.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.session.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.push_out()?;
        let taken = self.session.writer().write(&bytes[..bytes.len().min(RECORD_BYTES)])?;
        may_wait(self.push_out())?;
        Ok(taken)
    }

    /// Whether records are pending.
    pub fn holds_output(&self) -> bool {
        self.session.wants_write() && self.verification != PeerVerification::Pending
    }

    /// Whether there may be input that the poll does not report.
    pub fn holds_input(&self) -> bool {
        self.holds_input
    }

    /// Writes pending records; `WouldBlock` if some are left.
    pub fn push_out(&mut self) -> io::Result<()> {
        if self.verification == PeerVerification::Pending {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        while self.session.wants_write() {
            self.session.write_tls(&mut Wire(&mut self.socket))?;
        }
        Ok(())
    }

    /// Sends `close_notify`. True when it is written.
    pub fn send_close_notify(&mut self) -> io::Result<bool> {
        if self.session.is_handshaking() {
            return Ok(true);
        }
        if !std::mem::replace(&mut self.has_ended, true) {
            self.session.send_close_notify();
        }
        may_wait(self.push_out())
    }

    /// Sends the alert for an error, if the socket accepts it.
    fn refuse(&mut self, error: rustls::Error) -> io::Error {
        // Best effort: the connection ends in any case.
        let _ = self.push_out();
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// False for `WouldBlock`.
fn may_wait(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// The socket as `io::Read` and `io::Write` for the session.
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

    /// A short answer is one record, for which `send` costs less than `writev`.
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [record] => self.0.write(record),
            _ => self.0.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
