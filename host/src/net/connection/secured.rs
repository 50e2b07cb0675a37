//! What a connection with TLS does besides: its handshake, and the ends that are said.

use std::io;

use crate::clock::Moment;
use crate::net::connection::stream::Stream;
use crate::net::connection::tls::Handshake;
use crate::net::connection::{CloseReason, Connection, Phase, reason_of};

impl Connection {
    /// Whether it has TLS.
    pub(super) fn has_tls(&self) -> bool {
        matches!(self.stream, Some(Stream::Tls(_)))
    }

    /// Goes on with the handshake; a failure ends the connection. After it what was queued can be flushed.
    pub fn shake(&mut self, now: Moment) -> Handshake {
        let stream = self.stream.as_mut().and_then(Stream::tls);
        let (Phase::Handshaking, Some(stream)) = (self.phase, stream) else {
            return Handshake::Waits;
        };
        match stream.shake() {
            Ok(Handshake::Done) => {
                self.phase = Phase::Open;
                self.last_activity = now;
                if let Some(reason) = self.finish_when_open.take() {
                    self.finish(reason);
                }
                Handshake::Done
            }
            Ok(step) => step,
            Err(error) => {
                tracing::debug!(connection = self.number, %error, "a TLS handshake failed");
                self.end(reason_of(&error));
                Handshake::Waits
            }
        }
    }

    /// Whether there may be something to read, although the poll tells nothing new.
    pub fn holds_input(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::holds_input)
    }

    /// The peer's stream was cut: what was queued is still sent, but nobody takes it for its end.
    pub fn peer_was_cut_off(&mut self) {
        self.peer_finished = true;
        match self.phase {
            Phase::Open | Phase::Finishing(CloseReason::PeerClosed) => {
                self.phase = Phase::Finishing(CloseReason::Reset);
            }
            _ => {}
        }
    }

    /// Writes what the session holds back; true when all of it is written. A failure ends the connection.
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

    /// Tells the peer that nothing more comes, where the kind of socket has a word for that. True when it is written.
    pub(super) fn say_end(&mut self) -> bool {
        let Some(stream) = self.stream.as_mut().and_then(Stream::tls) else { return true };
        match stream.say_end() {
            Ok(is_said) => is_said,
            Err(error) => {
                self.end(reason_of(&error));
                false
            }
        }
    }
}
