//! The bytes of a connection on their way out, and whether the client keeps up with them.

use super::{Inner, State};
use crate::types::ErrorCode;

/// Above this an answer's producer should wait; the host's own mark is no lower unless the operator says so.
pub(super) const HIGH: usize = 64 * 1024;
/// Pieces up to this size are copied into one buffer; larger ones are sent on their own.
pub(super) const JOINED: usize = 64 * 1024;
/// The largest output buffer that one callback leaves for the next.
const KEPT: usize = 16 * 1024;

impl Inner {
    /// Whether more of this answer should be made.
    pub(super) fn has_room(&mut self, number: u64) -> bool {
        match self.held(number) {
            None => false,
            Some((false, held)) => held.bytes.len() < HIGH,
            Some((true, _)) => self.keeps_up(),
        }
    }

    /// Whether the client reads as fast as it is sent to.
    pub(super) fn keeps_up(&self) -> bool {
        self.out.len() + self.transport.outbound() <= HIGH
    }

    /// Whether another answer should wait, for the client or for the next turn. The host is asked only where this turn
    /// has sent something: it does not read from a client that was behind before.
    pub(super) fn is_behind(&self) -> bool {
        self.turn.is_over() || (self.turn.has_sent() && !self.keeps_up())
    }

    /// Sends bytes of the first slot.
    pub(super) fn emit(&mut self, bytes: &[u8]) {
        if self.corked && self.out.len() + bytes.len() <= JOINED {
            self.out.extend_from_slice(bytes);
        } else {
            self.flush();
            self.transmit(bytes);
        }
    }

    pub(super) fn flush_unless_corked(&mut self) {
        if !self.corked || JOINED < self.out.len() {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.out.is_empty() {
            let out = std::mem::take(&mut self.out);
            self.transmit(&out);
            // Reuses the buffer: the usual answer fits.
            if out.capacity() <= KEPT {
                self.out = out;
                self.out.clear();
            }
        }
    }

    pub(super) fn transmit(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.turn.spend(bytes.len());
        match self.transport.send(bytes) {
            Ok(()) => {}
            Err(ErrorCode::OutboxFull) => {
                let (id, length) = (self.transport.id(), bytes.len());
                crate::error!(
                    "connection {id}: its outbox has no room for {length} bytes; closing it. Send large answers \
                     in pieces, or raise `limits.outbox_max`"
                );
                self.transport.close();
                self.state = State::Closed;
            }
            // `unbind` follows, or is there.
            Err(_) => self.state = State::Closed,
        }
    }
}
