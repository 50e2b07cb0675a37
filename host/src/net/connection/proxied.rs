//! What two connections do where one is proxied to the other: the bytes of the source's peer go into the target's outbox.
//!
//! Each knows the other by its key only. Whoever changes both holds one lock after the other, never two.

use crate::base::arena::ConnectionId;
use crate::clock::Moment;
use crate::net::connection::proxy_links::{ProxyFault, ProxySource, ProxyTarget};
use crate::net::connection::{CloseReason, Connection, Phase, SendError, WriteSide};

/// The source's side.
impl Connection {
    /// Whether it may have a target.
    pub fn may_be_proxied(&self) -> Result<(), ProxyFault> {
        if matches!(self.phase, Phase::Ended(_)) {
            return Err(ProxyFault::SourceClosed);
        }
        if self.has_datagrams() {
            return Err(ProxyFault::Unsupported);
        }
        if self.is_proxied() { Err(ProxyFault::AlreadyProxying) } else { Ok(()) }
    }

    /// What it reads goes to this target from now on.
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

    /// It has no target any more; says which it had.
    pub fn stop_proxying(&mut self) -> Option<ConnectionId> {
        Some(self.proxying.target.take()?.id)
    }

    /// So many bytes have gone to its target; true if those were the last.
    pub fn has_proxied(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.proxying.bytes = self.proxying.bytes.saturating_add(bytes);
        let left = self.proxying.target.as_mut().and_then(|target| target.left.as_mut());
        left.is_some_and(|left| {
            *left = left.saturating_sub(bytes);
            *left == 0
        })
    }

    /// What has gone to its last target.
    pub fn proxied_bytes(&self) -> u64 {
        self.proxying.bytes
    }
}

/// The target's side.
impl Connection {
    /// This source's bytes come here, while no more than `buffer` wait; 0 is as many as its high mark allows.
    ///
    /// # Errors
    /// Why they do not.
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

    /// Whether it has a source and a target: then its peer's end is one of two.
    pub(super) fn is_proxied_both_ways(&self) -> bool {
        self.is_proxied() && self.proxying.source.is_some()
    }

    /// Whether it has a source or a target.
    pub fn is_relayed(&self) -> bool {
        self.is_proxied() || self.proxying.source.is_some()
    }

    /// Bytes that its source may bring now.
    pub fn room_for_source(&self) -> usize {
        let Some(source) = self.proxying.source.filter(|_| self.check_sendable().is_ok()) else {
            return 0;
        };
        let room = source.buffer.saturating_sub(self.outbox.len());
        if self.outbox.has_room(room) {
            room
        } else if self.outbox.is_empty() {
            // A little goes to a peer that reads, however full those are of the peers that do not.
            room.min(self.marks.low)
        } else {
            0
        }
    }

    /// What its source brings, as much as there is room for.
    pub fn put_proxied(&mut self, bytes: &[u8], now: Moment) -> Result<(), SendError> {
        self.put(bytes, now)
    }

    /// The source to look at, where there is room again for half of what may wait.
    pub fn source_with_room(&self) -> Option<ConnectionId> {
        let source = self.proxying.source?;
        (self.outbox.len() <= source.buffer / 2).then_some(source.id)
    }

    /// It has no source any more; says which it had.
    ///
    /// If it was open for that source alone, its peer's end is its own now.
    pub fn lose_source(&mut self) -> Option<ConnectionId> {
        let source = self.proxying.source.take()?;
        let is_left_over = self.peer_finished && !self.keep_half_open;
        if is_left_over && self.phase == Phase::Open && self.write_side == WriteSide::Open {
            self.finish(CloseReason::PeerClosed);
        }
        Some(source.id)
    }

    /// The end of what its source brings: its own write side ends behind it.
    pub fn source_ended(&mut self) {
        // One whose write side is ending has nothing more to end.
        let _ = self.half_close();
    }
}
