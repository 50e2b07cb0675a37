//! Connections in the loop: opening, writing, reconciling, unbinding.

use std::time::Duration;

use mio::{Interest, Registry};

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::token::PollSource;
use crate::clock::Moment;
use crate::config::bound::Bound;
use crate::config::limits;
use crate::config::model::OnTrap;
use crate::engine::event::Event;
use crate::log::text::GuestText;
use crate::net::connection::outbox::Marks;
use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, Connection, Phase, SharedConnection, reason_of};
use crate::net::outbound::attempts::Attempts;
use crate::plugin::Plugin;
use crate::quota::host_memory::Admission;
use crate::reactor::table::connection::ConnectionEntry;
use crate::reactor::table::deadline::{DeadlineKey, Deadlines, Owner, Purpose};
use crate::reactor::{Reactor, UNITS_PER_PHASE};

use crate::reactor::table::pending::Pending;
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;

/// The most bytes written from one outbox in a turn.
const FLUSH_BYTES: usize = 256 * 1024;
/// The most bytes of an outbox that are written when its connection is closed.
const LAST_FLUSH_BYTES: usize = 1024 * 1024;

impl Reactor {
    /// The next number for the log, never 0.
    pub(super) fn next_number(&mut self) -> u32 {
        self.numbers = self.numbers.wrapping_add(1).max(1);
        self.numbers
    }

    /// Registers a socket with the poll, and adds it as a connection of its instance. None if the system refuses.
    pub(super) fn open_socket(
        &mut self,
        instance: InstanceId,
        plugin: &Plugin,
        mut stream: Stream,
        handler: GuestText,
        admission: Admission,
    ) -> Option<(ConnectionId, SharedConnection)> {
        let token = PollSource::Connection(self.connections.next_key()).into();
        if let Err(error) = self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            tracing::error!(%error, "a socket cannot be polled");
            return None;
        }
        let (number, now) = (self.next_number(), self.setup.env.clock.turn());
        let (is_own, has_datagrams) = (matches!(stream, Stream::Port(_)), stream.has_datagrams());
        let mut connection =
            Connection::accepted(number, stream, Marks::of(&plugin.config.limits), now);
        connection.handler = handler;
        connection.count_for(Some(plugin.tenant.writing.clone()), &plugin.tenant.outboxes);
        let shared = SharedConnection::new(connection);
        let mut entry = ConnectionEntry::new(instance, shared.clone(), admission);
        entry.is_asked_for = is_own;
        entry.accepted_at = (!is_own && !has_datagrams).then_some(now);
        let id = self.add_connection(entry);
        Some((id, shared))
    }

    /// Adds a connection to the table and to its instance; returns its key.
    pub(super) fn add_connection(&mut self, mut entry: ConnectionEntry) -> ConnectionId {
        let instance = entry.instance;
        let accepted = usize::from(!entry.is_asked_for);
        self.accepted += accepted;
        entry.place = self.instances.get(instance).map_or(0, |i| i.connections.len());
        let id = self.connections.insert(entry);
        if let Some(instance) = self.instances.get_mut(instance) {
            instance.connections.push(id);
            instance.accepted += accepted;
        }
        id
    }

    /// Ends the connection if its socket has a pending error; true if so.
    pub(super) fn take_error(&mut self, id: ConnectionId) -> bool {
        let Some(entry) = self.connections.get_mut(id) else { return false };
        let mut connection = entry.shared.lock();
        let error = connection.stream().and_then(|stream| stream.take_error().ok().flatten());
        let Some(error) = error else { return false };
        connection.end(reason_of(&error));
        drop(connection);
        self.reconcile(id);
        true
    }

    /// Flushes the outbox, unless its tenant has used up its share of this turn: then in the next one.
    pub(super) fn write_in_turn(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        if self.fair_share.passes_over(TurnPart::Writes, tenant) {
            self.agenda.writes.push(tenant, id);
        } else {
            self.write(id);
        }
    }

    /// Flushes the outbox, up to [`FLUSH_BYTES`].
    pub(super) fn write(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let tenant = self.tenant_of(id);
        let Some(entry) = self.connections.get_mut(id) else { return };
        let shared = entry.shared.clone();
        if self.charged(tenant, |_| shared.lock().flush(now, FLUSH_BYTES)) {
            self.agenda.writes.push(tenant, id);
        } else if shared.lock().phase() == Phase::Handshaking {
            self.continue_handshake_later(id);
        }
        self.reconcile(id);
    }

    /// Reports that a connection has reached a bound of its plugin or tenant.
    pub(super) fn log_at_limit(&self, id: ConnectionId, bound: &'static Bound) {
        let Some(entry) = self.connections.get(id) else { return };
        let Some(instance) = self.instances.get(entry.instance) else { return };
        let now = self.setup.env.clock.now();
        instance.plugin.at_limit(now, bound, || self.subject(entry.instance, Some(id)));
    }

    /// Brings the poll's interest, the deadlines and the end of a connection in line with its state.
    pub(super) fn reconcile(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        let Some(entry) = self.connections.get_mut(id) else { return };
        let mut connection = entry.shared.lock();
        connection.mark_clean();
        connection.reconcile();
        let (sent, instance) = (connection.take_sent(), entry.instance);
        if connection.take_drained() {
            self.agenda.pending.push(tenant, Pending::Drained(id));
        }
        let (phase, reads) = (connection.phase(), connection.wants_read());
        let wanted = connection.wants_write();
        entry.is_proxied = connection.is_proxied();
        let source = connection.source_with_room();
        let has_files = connection.has_file_news();
        let was_limited =
            std::mem::replace(&mut entry.is_rate_limited, connection.is_rate_limited());
        let is_limited = entry.is_rate_limited;
        let is_newly_limited = is_limited && !was_limited;
        if wanted != entry.writable_wanted && !matches!(phase, Phase::Ended(_)) {
            entry.writable_wanted = wanted;
            let token = PollSource::Connection(id).into();
            let interest = if wanted {
                Interest::READABLE.add(Interest::WRITABLE)
            } else {
                Interest::READABLE
            };
            let stream = connection.stream();
            let result = stream.map(|s| self.poll.registry().reregister(s, token, interest));
            if let Some(Err(error)) = result {
                tracing::error!(%error, "a socket cannot be polled");
                connection.end(CloseReason::Failed);
            }
        }
        let is_shaking = connection.take_new_handshake();
        drop(connection);
        self.note_sent(instance, sent);
        if let Some(source) = source {
            self.make_ready(source);
        }
        if has_files {
            self.go_on_with_files(id);
        }
        if is_shaking {
            self.begin_later_handshake(id);
        }
        if is_newly_limited {
            self.log_at_limit(id, &limits::WRITE_PER_SECOND);
        }
        if is_limited {
            self.wait_to_write(id);
        }
        self.set_deadlines(id, Owner::Tenant(tenant));
        match phase {
            Phase::Ended(_) => self.unbind_later(id),
            _ if reads => self.make_ready(id),
            _ => {}
        }
        self.look_at_drained(id);
    }

    fn set_deadlines(&mut self, id: ConnectionId, owner: Owner) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let connection = entry.shared.lock();
        let phase = connection.phase();
        let open = matches!(phase, Phase::Open | Phase::Finishing(_));
        let pending = matches!(phase, Phase::Resolving | Phase::Connecting);
        let inactivity = open.then_some((
            connection.last_activity(),
            connection.comm_inactivity_timeout,
            Purpose::Inactivity(id),
        ));
        let connect = (pending && entry.outgoing).then_some((
            entry.begun,
            connection.pending_connect_timeout,
            Purpose::PendingConnect(id),
        ));
        drop(connection);
        let handshake = (phase == Phase::Handshaking).then_some((
            entry.begun,
            entry.handshake_deadline,
            Purpose::Handshake(id),
        ));
        set_deadline((&mut self.timers, owner), &mut entry.handshake, handshake);
        set_deadline((&mut self.timers, owner), &mut entry.inactivity, inactivity);
        set_deadline((&mut self.timers, owner), &mut entry.pending_connect, connect);
        if matches!(phase, Phase::Finishing(_)) && entry.close_deadline.is_none() {
            let deadline = self.setup.env.clock.now() + self.setup.close_deadline;
            entry.close_deadline =
                Some(self.timers.insert(owner, deadline, Purpose::CloseDeadline(id)));
        }
    }

    fn unbind_later(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        if let Some(entry) = self.connections.get_mut(id)
            && !std::mem::replace(&mut entry.unbind_is_due, true)
        {
            self.agenda.unbinds.push(tenant, id);
        }
    }

    pub(super) fn begin_unbinds(&mut self) -> TurnPhase {
        if !self.agenda.unbinds.begin_phase(UNITS_PER_PHASE) {
            return self.begin_giving_back();
        }
        TurnPhase::Unbinds
    }

    /// Closes the socket of the next connection that has ended, and delivers `unbind`.
    pub(super) fn deliver_unbind(&mut self) -> TurnPhase {
        let (unbinds, fair_share) = (&mut self.agenda.unbinds, &mut self.fair_share);
        let due = unbinds.next(|tenant| fair_share.passes_over(TurnPart::Unbinds, tenant));
        let Some((tenant, id)) = due else {
            return self.begin_giving_back();
        };
        self.charged(tenant, |reactor| reactor.close_socket(id));
        if let Some(entry) = self.connections.get(id) {
            let (instance, phase) = (entry.instance, entry.shared.lock().phase());
            if let Phase::Ended(reason) = phase {
                self.give_up_files(id);
                self.deliver(instance, Event::Unbind { connection: id, reason });
                self.end_proxying(id);
            }
        }
        TurnPhase::Unbinds
    }

    /// Writes what the socket accepts without blocking, and closes it. Once is enough.
    fn close_socket(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        if std::mem::replace(&mut entry.is_closed, true) {
            return;
        }
        let mut connection = entry.shared.lock();
        connection.flush(now, LAST_FLUSH_BYTES);
        let (sent, instance) = (connection.take_sent(), entry.instance);
        connection.close_tls();
        connection.discard_input();
        if let Some(stream) = connection.take_stream() {
            close(self.poll.registry(), stream);
        }
        drop(connection);
        let deadlines =
            [entry.inactivity.take(), entry.pending_connect.take(), entry.handshake.take()];
        for key in deadlines.into_iter().flatten() {
            self.timers.cancel(key.0);
        }
        entry.attempts = Attempts::default();
        let looks = entry.draining.as_mut().and_then(|draining| draining.again.take());
        let keys = [entry.close_deadline.take(), entry.next_attempt.take(), looks];
        keys.into_iter().flatten().for_each(|key| self.timers.cancel(key));
        self.note_sent(instance, sent);
    }

    /// If measurements are kept, counts bytes that the system has accepted from connections of an instance.
    pub(super) fn note_sent(&self, instance: InstanceId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let plugin = self.instances.get(instance).map(|instance| &instance.plugin);
        if let Some(stats) = plugin.and_then(|it| it.counters.stats.on(self.setup.index)) {
            stats.sent.add(bytes);
        }
    }

    /// Removes a connection whose `unbind` has returned.
    pub(super) fn remove_connection(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        let Some(entry) = self.connections.get(id) else { return };
        let (instance_id, place, is_accepted) = (entry.instance, entry.place, !entry.is_asked_for);
        let mut retires = None;
        if let Some(instance) = self.instances.get_mut(instance_id) {
            instance.connections.swap_remove(place);
            instance.accepted -= usize::from(is_accepted);
            // After the last one, connections that an instance of an earlier version has opened itself are drained.
            retires = instance.retires.filter(|_| is_accepted && instance.accepted == 0);
            if let Some(&moved) = instance.connections.get(place)
                && let Some(moved) = self.connections.get_mut(moved)
            {
                moved.place = place;
            }
        }
        self.abandon_connection(id, tenant, &OnTrap::Close);
        if let Some(until) = retires {
            self.drain_opened_of(instance_id, tenant, until);
        }
        self.end_if_unused(instance_id);
    }

    /// Closes and removes a connection without delivering `unbind`.
    ///
    /// If it is still open, its peer gets the end that the plugin's `on_trap` configures.
    pub(super) fn abandon_connection(&mut self, id: ConnectionId, tenant: usize, on_trap: &OnTrap) {
        if let Some(entry) = self.connections.get(id) {
            let now = self.setup.env.clock.turn();
            entry.shared.lock().abandon(on_trap, now);
        }
        self.close_socket(id);
        self.close_files(id, tenant);
        if let Some(entry) = self.connections.remove(id) {
            self.accepted -= usize::from(!entry.is_asked_for);
            self.forget_peer(id, &entry);
            self.acceptors.wake();
        }
    }
}

/// Closes a socket. That ends its registration as well, without a system call of its own: the poll forgets a socket with its last
/// descriptor. A process that is being forked has all descriptors for a moment; events that are reported until it has closed them
/// name a connection that is gone, and are ignored.
fn close(registry: &Registry, mut stream: Stream) {
    if stream.is_shared()
        && let Err(error) = registry.deregister(&mut stream)
    {
        tracing::debug!(%error, "socket not deregistered");
    }
}

/// Sets or cancels a deadline as `wanted`: its start, time-out and purpose. A time-out of zero means none; an unchanged one is
/// kept.
fn set_deadline(
    (timers, owner): (&mut Deadlines, Owner),
    set: &mut Option<(DeadlineKey, Duration)>,
    wanted: Option<(Moment, Duration, Purpose)>,
) {
    let wanted = wanted.filter(|(_, timeout, _)| !timeout.is_zero());
    let fits = set.map(|(_, timeout)| timeout) == wanted.map(|(_, timeout, _)| timeout);
    if fits {
        return;
    }
    if let Some((key, _)) = set.take() {
        timers.cancel(key);
    }
    *set = wanted
        .map(|(from, timeout, purpose)| (timers.insert(owner, from + timeout, purpose), timeout));
}
