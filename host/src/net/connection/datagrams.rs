//! A connection whose socket is one peer of a UDP socket: it has no outbox, and its listener reads for it.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::clock::Moment;
use crate::net::connection::stream::Stream;
use crate::net::connection::{Connection, SendError};
use crate::net::datagram::DATAGRAM_MAX;
use crate::net::datagram::port::AnswerFault;

impl Connection {
    /// Sends one datagram, if the system's buffer and the tenant's bytes per second have room for it. It is never queued, and
    /// an error of the network loses it without ending the connection: all peers share the socket.
    pub(super) fn send_datagram(&mut self, bytes: &[u8], now: Moment) -> Result<(), SendError> {
        self.check_sendable()?;
        let Some(stream) = &mut self.stream else { return Err(SendError::Closed) };
        if DATAGRAM_MAX < bytes.len() {
            return Err(SendError::TooLong);
        }
        if let Stream::Port(port) = stream {
            port.check_answer(bytes.len())?;
        }
        if self.writing.as_ref().is_some_and(|bucket| bucket.is_empty(now)) {
            return Err(SendError::NotNow);
        }
        let sent = stream.write(bytes);
        self.datagram_sent(sent, bytes.len(), now)
    }

    /// Sends one datagram to an address. If that is not `is_granted`, it has to be the last sender's, within the bytes with
    /// which a sender may be answered. None if the socket is no [`Stream::Port`].
    pub fn send_datagram_to(
        &mut self,
        bytes: &[u8],
        to: SocketAddr,
        is_granted: bool,
        now: Moment,
    ) -> Option<Result<(), SendError>> {
        let is_sendable = self.check_sendable();
        let Some(Stream::Port(port)) = &mut self.stream else { return None };
        if is_sendable.is_err() {
            return Some(is_sendable);
        }
        if DATAGRAM_MAX < bytes.len() || !port.is_of_family(to) {
            return Some(Err(SendError::TooLong));
        }
        if !is_granted {
            let is_answer = port.peer() == Some(to);
            let checked = if is_answer {
                port.check_answer(bytes.len()).map_err(SendError::from)
            } else {
                Err(SendError::NotGranted)
            };
            if checked.is_err() {
                return Some(checked);
            }
        }
        if self.writing.as_ref().is_some_and(|bucket| bucket.is_empty(now)) {
            return Some(Err(SendError::NotNow));
        }
        let sent = if is_granted { port.send(bytes, to) } else { port.answer(bytes) };
        Some(self.datagram_sent(sent, bytes.len(), now))
    }

    /// Whether it carries datagrams.
    pub fn has_datagrams(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::has_datagrams)
    }

    fn datagram_sent(
        &mut self,
        sent: io::Result<usize>,
        length: usize,
        now: Moment,
    ) -> Result<(), SendError> {
        match sent {
            Ok(_) => {
                self.last_activity = now;
                self.has_written(length, now);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(SendError::NotNow),
            Err(error) if error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
                Err(SendError::TooLong)
            }
            Err(error) => {
                tracing::debug!(%error, "a datagram was not sent");
                Ok(())
            }
        }
    }

    /// A datagram has come from its peer.
    pub fn has_received(&mut self, now: Moment) {
        self.last_activity = now;
    }
}

impl From<AnswerFault> for SendError {
    fn from(fault: AnswerFault) -> SendError {
        match fault {
            AnswerFault::NoPeer => SendError::NoPeer,
            AnswerFault::UsedUp => SendError::NotGranted,
        }
    }
}
