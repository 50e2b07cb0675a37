//! How full a socket's outbox is kept.
//!
//! The host does not read a connection whose outbox is above `outbox_high`. A protocol in which both sides speak at
//! once must stay well below it, or it hears neither the answer that makes the rest needless nor the heartbeat that
//! says that the peer is there. So the outbox is given little at a time.

use std::{cell::Cell, time::Duration};

use super::Transport;
use crate::types::ErrorCode;

/// Bytes that an outbox is filled to: half of the host's `outbox_high`, unless the operator says otherwise.
pub(crate) const HIGH: usize = 32 * 1024;
/// Bytes in the outbox at which it is filled again.
pub(super) const LOW: usize = HIGH / 2;
/// The smallest piece that is tried where the operator's bounds leave no room for a larger one.
const LEAST: usize = 1024;

/// Sends the beginning of `data`, up to [`HIGH`] bytes in the outbox, and says how much that was.
pub(crate) fn fill(transport: &dyn Transport, data: &[u8]) -> Result<usize, ErrorCode> {
    let mut sent = 0;
    let mut most = HIGH;
    while sent < data.len() {
        let outbound = transport.outbound();
        if LOW < outbound {
            break;
        }
        let room = (HIGH - outbound).min(most);
        let piece = &data[sent..data.len().min(sent + room)];
        match transport.send(piece) {
            Ok(()) => sent += piece.len(),
            Err(ErrorCode::OutboxFull) if LEAST < piece.len() => most = piece.len() / 2,
            Err(ErrorCode::OutboxFull) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// How often to look for room: often while the peer reads, and seldom while it does not.
#[derive(Default)]
pub(crate) struct Pace {
    load: Cell<usize>,
    pause: Cell<Duration>,
}

impl Pace {
    const SHORTEST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_millis(100);

    /// How long to wait before looking again, with this many bytes left.
    pub(crate) fn after(&self, load: usize) -> Duration {
        let stands = self.load.replace(load) == load && !self.pause.get().is_zero();
        let pause = if stands { self.pause.get() * 2 } else { Self::SHORTEST };
        self.pause.set(pause.min(Self::LONGEST));
        self.pause.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_looks_often_while_the_peer_reads() {
        let pace = Pace::default();
        let pauses = |loads: &[usize]| -> Vec<u128> {
            loads.iter().map(|load| pace.after(*load).as_millis()).collect()
        };
        assert_eq!(pauses(&[0, 0, 0, 0, 0, 0, 0]), [5, 10, 20, 40, 80, 100, 100]);
        assert_eq!(pauses(&[9, 8, 8, 7]), [5, 5, 10, 5]);
    }
}
