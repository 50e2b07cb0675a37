//! Closing a connection: half-close, the host's stop, a trap, and the last reads of unread input.

use crate::clock::Moment;
use crate::config::model::OnTrap;
use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, Connection, Phase, SendError, WriteSide};

/// How many reads of 4 KiB discard unread input when a connection is closed.
const DISCARDED_READS: usize = 64;

impl CloseReason {
    /// Every reason with its name in the contract, in the order of the discriminants.
    pub const ALL: [(CloseReason, &'static str); 12] = {
        use CloseReason::*;
        [
            (PeerClosed, "peer-closed"),
            (Closed, "closed"),
            (Stopped, "stopped"),
            (Refused, "refused"),
            (ConnectTimeout, "connect-timeout"),
            (NameNotFound, "name-not-found"),
            (Unreachable, "unreachable"),
            (InactivityTimeout, "inactivity-timeout"),
            (Reset, "reset"),
            (Limit, "limit"),
            (Failed, "failed"),
            (Trapped, "trapped"),
        ]
    };
}

impl Connection {
    /// Ends the write side once the outbox is empty.
    pub fn half_close(&mut self) -> Result<(), SendError> {
        self.check_sendable()?;
        self.write_side = WriteSide::Ending;
        Ok(())
    }

    /// The host stops: queued bytes are sent, nothing more is read.
    pub fn stop(&mut self) {
        self.paused = true;
        match self.phase {
            Phase::Resolving | Phase::Connecting | Phase::Handshaking => {
                self.end(CloseReason::Stopped);
            }
            _ => self.finish(CloseReason::Stopped),
        }
    }

    /// Its instance has ended: does what `on_trap` has configured for the peer, without blocking.
    pub fn abandon(&mut self, on_trap: &OnTrap, now: Moment) {
        if matches!(self.phase, Phase::Handshaking | Phase::Open | Phase::Finishing(_)) {
            match on_trap {
                OnTrap::Close => {}
                OnTrap::Farewell(text) => {
                    // Best effort: the connection is closed in any case.
                    let _ = self.send(text.as_bytes(), now);
                    self.send_close_notify();
                }
                OnTrap::Reset => {
                    self.outbox.clear();
                    self.stream.iter().for_each(Stream::reset_on_close);
                }
            }
        }
        self.end(CloseReason::Trapped);
    }

    /// Called before the socket is closed: sends `close_notify` after an orderly end, if the socket accepts it.
    pub fn close_tls(&mut self) {
        let is_whole = matches!(
            self.phase,
            Phase::Ended(
                CloseReason::Closed
                    | CloseReason::Stopped
                    | CloseReason::PeerClosed
                    | CloseReason::InactivityTimeout
            )
        );
        if is_whole && !self.has_output() {
            self.send_close_notify();
        }
    }

    /// Discards unread input: the system resets a socket that is closed with unread input, and a reset discards what the peer
    /// has not read yet.
    pub fn discard_input(&mut self) {
        let ours = matches!(
            self.phase,
            Phase::Ended(
                CloseReason::Closed | CloseReason::Stopped | CloseReason::InactivityTimeout
            )
        );
        let (Some(stream), true, false) = (&mut self.stream, ours, self.peer_finished) else {
            return;
        };
        let mut rubbish = [0; 4096];
        for _ in 0..DISCARDED_READS {
            match stream.discard(&mut rubbish) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}
