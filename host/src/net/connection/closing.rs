//! What is still done for the peer of a connection that is closed.

use crate::clock::Moment;
use crate::config::model::OnTrap;
use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, Connection, Phase, SendError, WriteSide};

/// Reads of 4 KiB that are spent on input nobody wants when a connection is closed.
const DISCARDED_READS: usize = 64;

impl CloseReason {
    /// Every one with its name in the contract, in the order of their numbers.
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
    /// Asks for the write side to end once the outbox is empty.
    pub fn half_close(&mut self) -> Result<(), SendError> {
        self.check_sendable()?;
        self.write_side = WriteSide::Ending;
        Ok(())
    }

    /// The host stops: what is queued is sent, nothing is read any more.
    pub fn stop(&mut self) {
        self.paused = true;
        match self.phase {
            Phase::Resolving | Phase::Connecting | Phase::Handshaking => {
                self.end(CloseReason::Stopped);
            }
            _ => self.finish(CloseReason::Stopped),
        }
    }

    /// Its instance is gone: whatever its peer is to see of that is done, as far as it goes at once.
    pub fn abandon(&mut self, on_trap: &OnTrap, now: Moment) {
        if matches!(self.phase, Phase::Handshaking | Phase::Open | Phase::Finishing(_)) {
            match on_trap {
                OnTrap::Close => {}
                OnTrap::Farewell(text) => {
                    // Whoever does not get it is closed all the same.
                    let _ = self.send(text.as_bytes(), now);
                    self.say_end();
                }
                OnTrap::Reset => {
                    self.outbox.clear();
                    self.stream.iter().for_each(Stream::reset_on_close);
                }
            }
        }
        self.end(CloseReason::Trapped);
    }

    /// The socket is closed next: an end that is no cut is said, if it can be.
    pub fn take_leave(&mut self) {
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
            self.say_end();
        }
    }

    /// Throws away what the peer has sent and nobody will read: a socket that is closed over unread bytes is
    /// reset, and a reset takes along what the peer has not read yet.
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
