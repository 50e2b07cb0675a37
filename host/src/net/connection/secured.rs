//! A connection with TLS: its handshake, and `close_notify` in both directions.

use std::io;

use crate::clock::Moment;
use crate::contract::bindings::{FailureKind, HandshakeFailure, StreamEnd};
use crate::net::connection::stream::Stream;
use crate::net::connection::tls::Handshake;
use crate::net::connection::tls::agreed;
use crate::net::connection::tls::failure::{failure, failure_of};
use crate::net::connection::{CloseReason, Connection, Phase, reason_of};

/// Unencrypted bytes from before TLS that are written in one step.
const PLAIN_BYTES_AT_ONCE: usize = 256 * 1024;

impl Connection {
    /// Whether it has TLS.
    pub fn has_tls(&self) -> bool {
        matches!(self.stream, Some(Stream::Tls(_)))
    }

    /// Continues the handshake; a failure ends the connection. When it is complete, queued bytes can be flushed.
    pub fn continue_handshake(&mut self, now: Moment) -> Handshake {
        if self.has_plain_left() {
            let goes_on = self.flush_plain(now, PLAIN_BYTES_AT_ONCE);
            if self.has_plain_left() {
                return if goes_on { Handshake::GoesOn } else { Handshake::Waits };
            }
        }
        let stream = self.stream.as_mut().and_then(Stream::tls);
        let (Phase::Handshaking, Some(stream)) = (self.phase, stream) else {
            return Handshake::Waits;
        };
        match stream.continue_handshake() {
            Ok(Handshake::Done) => {
                self.phase = Phase::Open;
                self.last_activity = now;
                self.keep_session();
                if let Some(reason) = self.finish_when_open.take() {
                    self.finish(reason);
                }
                Handshake::Done
            }
            Ok(step) => step,
            Err(error) => {
                tracing::debug!(connection = self.number, %error, "a TLS handshake failed");
                self.fail_handshake(failure_of(&error), reason_of(&error));
                Handshake::Waits
            }
        }
    }

    fn fail_handshake(&mut self, failure: HandshakeFailure, reason: CloseReason) {
        if self.phase == Phase::Handshaking {
            self.tls_record().failure.get_or_insert(failure);
            self.end(reason);
        }
    }

    /// The handshake has exceeded its deadline: ends the connection.
    pub fn handshake_is_late(&mut self) {
        let words = "it was not complete within the handshake deadline";
        self.fail_handshake(failure(FailureKind::TooLate, words), CloseReason::Limit);
    }

    /// The plugin has accepted or rejected the peer's certificate.
    pub fn peer_verified(&mut self, is_taken: bool) {
        if !is_taken {
            let words = "the plugin did not take the certificate";
            self.fail_handshake(failure(FailureKind::NotTaken, words), CloseReason::Failed);
        } else if let Some(stream) = self.stream.as_mut().and_then(Stream::tls) {
            stream.take_peer();
        }
    }

    /// The peer's certificate chain; empty once the connection is over.
    pub fn peer_certificates(&self) -> Vec<Vec<u8>> {
        match &self.stream {
            Some(Stream::Tls(stream)) => agreed::peer_certificates(stream.session()),
            _ => Vec::new(),
        }
    }

    /// Whether there may be input that the poll does not report: decrypted bytes, or records that were read already.
    pub fn holds_input(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::holds_input)
    }

    /// The peer closed without `close_notify`: queued bytes are still sent, but the stream may be truncated.
    pub fn peer_was_cut_off(&mut self) {
        self.keep_end(StreamEnd::Cut);
        self.peer_finished = true;
        match self.phase {
            Phase::Open | Phase::Finishing(CloseReason::PeerClosed) => {
                self.phase = Phase::Finishing(CloseReason::Reset);
            }
            _ => {}
        }
    }

    /// Writes the session's pending records; true when all are written. A failure ends the connection.
    pub(super) fn push_out(&mut self) -> bool {
        let Some(stream) = self.stream.as_mut().and_then(Stream::tls) else { return true };
        match stream.push_out() {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                self.end(reason_of(&error));
                false
            }
        }
    }

    /// Sends `close_notify` if the connection has TLS. True when it is written.
    pub(super) fn send_close_notify(&mut self) -> bool {
        let Some(stream) = self.stream.as_mut().and_then(Stream::tls) else { return true };
        match stream.send_close_notify() {
            Ok(is_said) => is_said,
            Err(error) => {
                self.end(reason_of(&error));
                false
            }
        }
    }
}
