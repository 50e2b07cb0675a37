//! Proxying one connection to another: bytes that the source reads go into the target's outbox.
//!
//! Each side keeps only the other's key. Code that changes both takes one lock after the other, never both at once.

use crate::base::arena::ConnectionId;
use crate::clock::Moment;
use crate::net::connection::proxy_links::{ProxyFault, ProxySource, ProxyTarget};
use crate::net::connection::{CloseReason, Connection, Phase, SendError, WriteSide};

/// Methods of the source.
impl Connection {
    /// Checks whether it can be proxied.
    pub fn may_be_proxied(&self) -> Result<(), ProxyFault> {
        if matches!(self.phase, Phase::Ended(_)) {
            return Err(ProxyFault::SourceClosed);
        }
        if self.has_datagrams() {
            return Err(ProxyFault::Unsupported);
        }
        if self.is_proxied() { Err(ProxyFault::AlreadyProxying) } else { Ok(()) }
    }

    /// Sends what it reads to this target from now on.
    pub fn proxy_to(&mut self, target: ProxyTarget) {
        self.proxying.target = Some(target);
        self.proxying.bytes = 0;
    }

    /// Whether it has a target.
    pub fn is_proxied(&self) -> bool {
        self.proxying.target.is_some()
    }

    /// Its target.
    pub fn proxy_target(&self) -> Option<ProxyTarget> {
        self.proxying.target
    }

    /// Removes its target; returns which one it was.
    pub fn stop_proxying(&mut self) -> Option<ConnectionId> {
        Some(self.proxying.target.take()?.id)
    }

    /// Counts `bytes` that were passed to its target; true if those were the last.
    pub fn has_proxied(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.proxying.bytes = self.proxying.bytes.saturating_add(bytes);
        let left = self.proxying.target.as_mut().and_then(|target| target.left.as_mut());
        left.is_some_and(|left| {
            *left = left.saturating_sub(bytes);
            *left == 0
        })
    }

    /// The number of bytes that were passed to its last target.
    pub fn proxied_bytes(&self) -> u64 {
        self.proxying.bytes
    }
}

/// Methods of the target.
impl Connection {
    /// Takes bytes of this source while at most `buffer` bytes are queued; 0 stands for the high mark.
    ///
    /// # Errors
    /// When it is over or ending, has a source already, or carries datagrams.
    pub fn take_from(&mut self, source: ConnectionId, buffer: usize) -> Result<(), ProxyFault> {
        if self.has_datagrams() {
            return Err(ProxyFault::Unsupported);
        }
        self.check_sendable().map_err(|_| ProxyFault::TargetClosed)?;
        if self.proxying.source.is_some() {
            return Err(ProxyFault::BusyTarget);
        }
        let high = self.marks.high;
        let buffer = if buffer == 0 { high } else { buffer.min(high) };
        self.proxying.source = Some(ProxySource { id: source, buffer });
        Ok(())
    }

    /// Whether it has both a source and a target: then its peer's end ends one direction only.
    pub(super) fn is_proxied_both_ways(&self) -> bool {
        self.is_proxied() && self.proxying.source.is_some()
    }

    /// Whether it has a source or a target.
    pub fn is_relayed(&self) -> bool {
        self.is_proxied() || self.proxying.source.is_some()
    }

    /// The number of bytes that its source may pass now.
    pub fn room_for_source(&self) -> usize {
        let Some(source) = self.proxying.source.filter(|_| self.check_sendable().is_ok()) else {
            return 0;
        };
        let room = source.buffer.saturating_sub(self.outbox.len());
        if self.outbox.has_room(room) {
            room
        } else if self.outbox.is_empty() {
            // A peer that reads still gets up to its low mark when the peers that do not read have used up the tenant's bound.
            room.min(self.marks.low)
        } else {
            0
        }
    }

    /// Sends bytes of its source. The caller has checked [`Connection::room_for_source`].
    pub fn put_proxied(&mut self, bytes: &[u8], now: Moment) -> Result<(), SendError> {
        self.put(bytes, now)
    }

    /// The source to resume, if at most half of its buffer is queued.
    pub fn source_with_room(&self) -> Option<ConnectionId> {
        let source = self.proxying.source?;
        (self.outbox.len() <= source.buffer / 2).then_some(source.id)
    }

    /// Removes its source; returns which one it was.
    ///
    /// If it was kept open for that source alone, its peer's end now ends it.
    pub fn lose_source(&mut self) -> Option<ConnectionId> {
        let source = self.proxying.source.take()?;
        let is_left_over = self.peer_finished && !self.keep_half_open;
        if is_left_over && self.phase == Phase::Open && self.write_side == WriteSide::Open {
            self.finish(CloseReason::PeerClosed);
        }
        Some(source.id)
    }

    /// The source has ended: the write side ends when the outbox is empty.
    pub fn source_ended(&mut self) {
        // Fails only if the write side is ending already.
        let _ = self.half_close();
    }
}
