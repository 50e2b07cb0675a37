//! What a connection does otherwise where its socket is a peer of a UDP socket: it has no outbox, and nothing of it is read.

use std::io;

use rustix::io::Errno;

use crate::clock::Moment;
use crate::net::connection::{Connection, SendError};
use crate::net::datagram::DATAGRAM_MAX;

impl Connection {
    /// Sends one datagram, if the system and its tenant's bytes a second have room for it. Nothing of it waits, and what the
    /// network refuses is lost as it may be lost on the way: a socket that all peers share does not end for one of them.
    pub(super) fn send_datagram(&mut self, bytes: &[u8], now: Moment) -> Result<(), SendError> {
        self.check_sendable()?;
        let Some(stream) = &mut self.stream else { return Err(SendError::Closed) };
        if DATAGRAM_MAX < bytes.len() {
            return Err(SendError::TooLong);
        }
        if self.writing.as_ref().is_some_and(|bucket| bucket.is_empty(now)) {
            return Err(SendError::NotNow);
        }
        let sent = stream.write(bytes);
        match sent {
            Ok(_) => {
                self.last_activity = now;
                self.has_written(bytes.len(), now);
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
