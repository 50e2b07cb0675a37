//! Proxying: bytes of a source are written to its target without entering a guest.

use crate::base::arena::ConnectionId;
use crate::engine::event::Event;
use crate::net::connection::{Phase, SharedConnection};
use crate::reactor::sockets::nothing_read;
use crate::reactor::table::backlog::ReadState;
use crate::reactor::table::turn::SocketStep;
use crate::reactor::{READ_BYTES, Reactor};

impl Reactor {
    /// Reads a proxied connection once; returns whether to continue with it.
    pub(super) fn relay(&mut self, id: ConnectionId, left: usize, to_the_end: bool) -> SocketStep {
        let tenant = self.tenant_of(id);
        let goes_on = self.charged(tenant, |reactor| reactor.relay_once(id, to_the_end));
        if goes_on == Some(true) {
            SocketStep::Read { connection: id, left: left - 1, to_the_end }
        } else {
            SocketStep::Next
        }
    }

    fn relay_once(&mut self, id: ConnectionId, to_the_end: bool) -> Option<bool> {
        let entry = self.connections.get(id)?;
        let (instance, source) = (entry.instance, entry.shared.clone());
        if !entry.is_open || !source.lock().wants_read() || self.stall(instance, id) {
            return None;
        }
        let Some(to) = source.lock().proxy_target() else {
            // Its guest, on another thread, has just ended the proxying.
            self.connections.get_mut(id)?.is_proxied = false;
            return Some(true);
        };
        let target = self.connections.get(to.id)?.shared.clone();
        // Reconciling the target resumes the source when there is room.
        let room = target.lock().room_for_source();
        let left = to.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let most = room.min(left).min(READ_BYTES);
        if most == 0 {
            return None;
        }
        let mut buffer = self.buffer.take().unwrap_or_else(|| vec![0; READ_BYTES]);
        let moved = self.move_bytes(id, (&source, &target), &mut buffer[..most], to_the_end);
        self.buffer = Some(buffer);
        if moved == Some(0) {
            self.reconcile(id);
            self.reconcile(to.id);
            return None;
        }
        self.count_reading(id, instance, moved?);
        let has_more_to_write = {
            let target = target.lock();
            target.has_output() || matches!(target.phase(), Phase::Ended(_))
        };
        if has_more_to_write {
            self.reconcile(to.id);
        }
        if source.lock().has_proxied(moved?) {
            self.complete(id, &source, &target);
        }
        let is_quiet = self.connections.get(id)?.reading == ReadState::Quiet;
        Some(!is_quiet)
    }

    /// One read and one write. Returns the number of bytes; 0 if the read returned none.
    fn move_bytes(
        &mut self,
        id: ConnectionId,
        (source, target): (&SharedConnection, &SharedConnection),
        buffer: &mut [u8],
        to_the_end: bool,
    ) -> Option<usize> {
        let now = self.setup.env.clock.turn();
        let entry = self.connections.get_mut(id)?;
        let mut connection = source.lock();
        let length = match connection.read(buffer, now) {
            Ok(length) if 0 < length => length,
            nothing => {
                nothing_read(&mut connection, &mut entry.reading, nothing);
                let has_ended = connection.peer_finished() && connection.phase() == Phase::Open;
                drop(connection);
                if has_ended {
                    target.lock().source_ended();
                }
                return Some(0);
            }
        };
        entry.holds_input = connection.holds_input();
        if length < buffer.len() && !entry.holds_input && !to_the_end {
            entry.reading = ReadState::Quiet;
        }
        let wants_to_answer = !entry.writable_wanted && connection.wants_write();
        drop(connection);
        if wants_to_answer {
            self.reconcile(id);
        }
        // Fails if the target has just ended, of which the source is notified.
        let _ = target.lock().put_proxied(&buffer[..length], now);
        Some(length)
    }

    /// Ends proxying after the requested number of bytes.
    fn complete(&mut self, id: ConnectionId, source: &SharedConnection, target: &SharedConnection) {
        let was = source.lock().stop_proxying();
        target.lock().lose_source();
        if let Some(target) = was {
            self.reconcile(target);
        }
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.is_proxied = false;
        let instance = entry.instance;
        self.deliver(instance, Event::ProxyCompleted(id));
    }

    /// Ends proxying from and to a connection that has ended. Its source is notified after the connection's `unbind`.
    pub(super) fn end_proxying(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get(id) else { return };
        let (target, source) = {
            let mut connection = entry.shared.lock();
            (connection.stop_proxying(), connection.lose_source())
        };
        if let Some(target) = target
            && let Some(entry) = self.connections.get(target)
        {
            entry.shared.lock().lose_source();
            self.reconcile(target);
        }
        if let Some(source) = source
            && let Some(entry) = self.connections.get(source)
        {
            let instance = entry.instance;
            entry.shared.lock().stop_proxying();
            self.deliver(instance, Event::ProxyTargetUnbound(source));
            self.reconcile(source);
        }
    }
}
