//! How much one connection does in one callback of the host.

use std::time::Duration;

use crate::http::clock;

/// The work of the current callback. Other callbacks of the plugin, and of the host, wait for its end.
#[derive(Debug, Default)]
pub(super) struct Turn {
    spent: usize,
    /// When the first piece of it was made.
    begun: Option<Duration>,
    over: bool,
}

/// Bytes that are sent in one turn at most, even to a client that keeps up, but for the end of the last piece.
const BYTES: usize = 256 * 1024;
/// What a piece costs besides its bytes: a thousand small ones take about as long as [`BYTES`] in large ones.
const PIECE: usize = 256;
/// A compressed byte takes about as long as this many others.
const COMPRESSED: usize = 16;
/// Half of the slice that the host gives a callback, for pieces that are slow to make.
const TIME: Duration = Duration::from_micros(500);

impl Turn {
    /// Bytes were sent.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.spent = self.spent.saturating_add(bytes);
    }

    /// A piece of this length is about to be sent.
    pub(crate) fn spend_piece(&mut self, bytes: usize, compressed: bool) {
        self.spend(PIECE);
        if compressed {
            self.spend(bytes.saturating_mul(COMPRESSED));
        }
    }

    /// Whether a producer may make a piece now.
    pub(crate) fn has_time(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        let now = clock::monotonic();
        let begun = *self.begun.get_or_insert(now);
        self.over = TIME <= now.saturating_sub(begun);
        !self.over
    }

    /// Whether the rest must wait for the next callback.
    pub(crate) fn is_over(&self) -> bool {
        self.over || BYTES <= self.spent
    }

    /// Whether something was sent in it.
    pub(crate) fn has_sent(&self) -> bool {
        self.spent != 0
    }
}
