//! The write rate of a connection: its tenant's bytes per second.

use crate::clock::Moment;
use crate::net::connection::Connection;

impl Connection {
    /// The number of bytes after which a sender should wait for the peer; none if the write side has ended.
    pub fn room(&self) -> Option<usize> {
        self.check_sendable().ok()?;
        let most = match self.outbox.has_room(self.marks.high) {
            true => self.marks.high,
            false if self.outbox.is_empty() => self.marks.low,
            false => 0,
        };
        Some(most.saturating_sub(self.outbox.len()))
    }

    /// Whether the outbox waits for the tenant's write rate and not for the socket.
    pub fn is_rate_limited(&self) -> bool {
        self.is_rate_limited
    }

    /// The number of bytes that the write rate allows at `now`.
    pub(super) fn writable(&mut self, now: Moment) -> usize {
        let left = self.writing.as_ref().map_or(u64::MAX, |bucket| bucket.left(now));
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    pub(super) fn has_written(&mut self, bytes: usize, now: Moment) {
        if 0 < bytes {
            self.last_activity = now;
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.sent = self.sent.saturating_add(bytes);
        if let Some(bucket) = &self.writing {
            bucket.take(bytes);
        }
    }

    /// The number of bytes that the system has accepted since the last call.
    pub fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }
}
