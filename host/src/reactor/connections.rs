//! Connections on their way through the loop: read, written, settled, unbound.

use std::io;
use std::time::Duration;

use mio::Interest;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::token::PollSource;
use crate::clock::Moment;
use crate::config::model::OnTrap;
use crate::engine::task::Task;
use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, Phase, reason_of};
use crate::reactor::table::connection::Entry;
use crate::reactor::table::deadline::Purpose;
use crate::reactor::table::event::Event;
use crate::reactor::{Pending, READ_BYTES, READS_PER_TURN, Reactor};
use crate::timer::TimerKey;

impl Reactor {
    /// A number for the log, never 0.
    pub(super) fn next_number(&mut self) -> u32 {
        self.numbers = self.numbers.wrapping_add(1).max(1);
        self.numbers
    }

    /// Gives a connection its key and its place in its instance.
    pub(super) fn add_connection(&mut self, mut entry: Entry) -> ConnectionId {
        let instance = entry.instance;
        entry.place = self.instances.get(instance).map_or(0, |i| i.connections.len());
        let id = self.connections.insert(entry);
        if let Some(instance) = self.instances.get_mut(instance) {
            instance.connections.push(id);
        }
        id
    }

    /// The poll has news of a connection.
    pub(super) fn on_event(&mut self, id: ConnectionId, event: &mio::event::Event) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let phase = entry.shared.lock().phase();
        match phase {
            Phase::Resolving | Phase::Ended(_) => return,
            Phase::Connecting => {
                entry.readable |= event.is_readable();
                self.on_connecting(id);
            }
            Phase::Open | Phase::Finishing(_) => {
                entry.readable |= event.is_readable() || event.is_read_closed();
                if event.is_error() && self.take_error(id) {
                    return;
                }
                if event.is_writable() {
                    self.write(id);
                }
            }
        }
        // With the peer's end announced, a short read is not the last one.
        self.read(id, event.is_read_closed());
    }

    /// True when the socket held an error, which has ended the connection.
    fn take_error(&mut self, id: ConnectionId) -> bool {
        let Some(entry) = self.connections.get_mut(id) else { return false };
        let mut connection = entry.shared.lock();
        let error = connection.stream().and_then(|stream| stream.take_error().ok().flatten());
        let Some(error) = error else { return false };
        connection.end(reason_of(&error));
        drop(connection);
        self.reconcile(id);
        true
    }

    fn write(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        if let Some(entry) = self.connections.get_mut(id) {
            entry.shared.lock().flush(now);
            self.reconcile(id);
        }
    }

    /// Writes what was held, as far as it may now.
    pub(super) fn release_held(&mut self) {
        for id in std::mem::take(&mut self.held) {
            if let Some(entry) = self.connections.get_mut(id) {
                entry.is_rate_limited = false;
                self.write(id);
            }
        }
    }

    /// Reads from a connection that had more than its turn allowed, or had to wait.
    pub(super) fn read_again(&mut self, id: ConnectionId) {
        if let Some(entry) = self.connections.get_mut(id) {
            entry.is_ready = false;
            self.read(id, true);
        }
    }

    /// Reads and hands over, a bounded number of times. `to_the_end` reads until there is nothing; otherwise
    /// a read that does not fill the buffer is taken as the last.
    fn read(&mut self, id: ConnectionId, to_the_end: bool) {
        for _ in 0..READS_PER_TURN {
            if self.has_had_its_share(id) {
                break;
            }
            match self.read_once(id) {
                Read::Handed { filled: false } if !to_the_end => {
                    if let Some(entry) = self.connections.get_mut(id) {
                        entry.readable = false;
                    }
                    return;
                }
                Read::Handed { .. } => {}
                Read::Nothing => return,
            }
        }
        self.make_ready(id);
    }

    /// Whether its tenant has had its share of this turn; what there is to read waits for the next.
    fn has_had_its_share(&self, id: ConnectionId) -> bool {
        let instance =
            self.connections.get(id).and_then(|entry| self.instances.get(entry.instance));
        instance.is_some_and(|instance| {
            self.fair_share.has_used_its_share(instance.plugin.tenant.index)
        })
    }

    fn make_ready(&mut self, id: ConnectionId) {
        if let Some(entry) = self.connections.get_mut(id)
            && !std::mem::replace(&mut entry.is_ready, true)
        {
            self.ready.push_back(id);
        }
    }

    fn read_once(&mut self, id: ConnectionId) -> Read {
        let Some(entry) = self.connections.get(id).filter(|entry| entry.readable) else {
            return Read::Nothing;
        };
        let instance = entry.instance;
        let Some(state) = self.instances.get(instance) else { return Read::Nothing };
        if !state.is_quiet() {
            self.read_in_turn(instance, id);
            return Read::Nothing;
        }
        let Some(task) = self.read_task(id) else { return Read::Nothing };
        let filled = matches!(&task, Task::Data { length, .. } if *length == READ_BYTES);
        self.enter(instance, task);
        self.pump(instance);
        Read::Handed { filled }
    }

    /// Its instance is busy: it is read when that has done what is before it.
    fn read_in_turn(&mut self, instance: InstanceId, id: ConnectionId) {
        let waits = self.connections.get_mut(id).is_none_or(|entry| {
            // Waiting there and being ready are one.
            std::mem::replace(&mut entry.is_ready, true)
        });
        if !waits && let Some(instance) = self.instances.get_mut(instance) {
            instance.push(Event::Readable(id));
        }
    }

    /// It is a connection's turn that had to wait until its instance was idle.
    pub(super) fn delayed_read_task(&mut self, id: ConnectionId) -> Option<Task> {
        self.connections.get_mut(id)?.is_ready = false;
        let task = self.read_task(id)?;
        // There may be more, which is behind everything else that waits.
        self.make_ready(id);
        Some(task)
    }

    /// Reads what there is for an idle instance.
    fn read_task(&mut self, id: ConnectionId) -> Option<Task> {
        let now = self.setup.env.clock.turn();
        let entry = self.connections.get_mut(id).filter(|entry| entry.readable)?;
        let instance = entry.instance;
        let state = self.instances.get_mut(instance)?;
        let tenant_waits = state.plugin.tenant.must_not_read(&self.setup.env.clock);
        if tenant_waits || state.must_wait_to_read(now) {
            self.stall(instance, id);
            self.pressed.push(instance);
            return None;
        }
        let object = entry.object?;
        let mut connection = entry.shared.lock();
        if !connection.wants_read() {
            return None;
        }
        let mut buffer = self.buffer.take().unwrap_or_else(|| vec![0; READ_BYTES]);
        match connection.read(&mut buffer, now) {
            Ok(0) => {
                entry.readable = false;
                connection.peer_ended();
            }
            Ok(length) => {
                drop(connection);
                self.count_reading(id, instance, length);
                return Some(Task::Data { connection: id, object, buffer, length });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => entry.readable = false,
            Err(error) => connection.end(reason_of(&error)),
        }
        drop(connection);
        self.buffer = Some(buffer);
        self.reconcile(id);
        None
    }

    /// Takes what was read from its tenant's bytes a second, if they have a bound.
    fn count_reading(&self, id: ConnectionId, instance: InstanceId, length: usize) {
        let Some(instance) = self.instances.get(instance) else { return };
        let Some(reading) = &instance.plugin.tenant.reading else { return };
        reading.take(u64::try_from(length).unwrap_or(u64::MAX));
        if reading.is_empty(self.setup.env.clock.now()) {
            self.log_at_limit(id, "read_per_second");
        }
    }

    /// A connection has come to a bound of its plugin or its tenant.
    fn log_at_limit(&self, id: ConnectionId, limit: &'static str) {
        let Some(entry) = self.connections.get(id) else { return };
        let Some(instance) = self.instances.get(entry.instance) else { return };
        let value = instance.plugin.shown(limit).unwrap_or_default();
        let now = self.setup.env.clock.now();
        instance.plugin.at_limit(now, limit, &value, || self.subject(entry.instance, Some(id)));
    }

    /// Brings everything around a connection in line with its state: its interest in the poll, its
    /// deadlines, and its end.
    pub(super) fn reconcile(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let mut connection = entry.shared.lock();
        connection.mark_clean();
        connection.reconcile();
        if connection.take_drained() {
            self.pending.push_back(Pending::Drained(id));
        }
        let (phase, reads) = (connection.phase(), connection.wants_read());
        let wanted = connection.wants_write();
        let newly_held =
            connection.is_rate_limited() && !std::mem::replace(&mut entry.is_rate_limited, true);
        if newly_held {
            self.held.push(id);
        }
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
        drop(connection);
        if newly_held {
            self.log_at_limit(id, "write_per_second");
        }
        self.set_deadlines(id);
        match phase {
            Phase::Ended(_) => self.unbind_later(id),
            _ if reads && self.connections.get(id).is_some_and(|entry| entry.readable) => {
                self.make_ready(id);
            }
            _ => {}
        }
    }

    fn set_deadlines(&mut self, id: ConnectionId) {
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
        set_deadline(&mut self.timers, &mut entry.inactivity, inactivity);
        set_deadline(&mut self.timers, &mut entry.pending_connect, connect);
        if matches!(phase, Phase::Finishing(_)) && entry.close_deadline.is_none() {
            let deadline = self.setup.env.clock.now() + self.setup.close_deadline;
            entry.close_deadline = Some(self.timers.insert(deadline, Purpose::CloseDeadline(id)));
        }
    }

    fn unbind_later(&mut self, id: ConnectionId) {
        if let Some(entry) = self.connections.get_mut(id)
            && !std::mem::replace(&mut entry.unbind_is_due, true)
        {
            self.unbinds.push_back(id);
        }
    }

    /// Closes the sockets of the connections that have ended, and tells their plugins.
    pub(super) fn deliver_unbinds(&mut self) {
        for _ in 0..self.unbinds.len() {
            let Some(id) = self.unbinds.pop_front() else { return };
            self.close_socket(id);
            if let Some(entry) = self.connections.get(id) {
                self.deliver(entry.instance, Event::Unbind(id));
            }
        }
    }

    /// Sends what still goes at once and closes.
    fn close_socket(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        let mut connection = entry.shared.lock();
        connection.flush(now);
        connection.discard_input();
        if let Some(mut stream) = connection.take_stream() {
            deregister(self.poll.registry(), &mut stream);
        }
        drop(connection);
        for key in [entry.inactivity.take(), entry.pending_connect.take()].into_iter().flatten() {
            self.timers.cancel(key.0);
        }
        if let Some(key) = entry.close_deadline.take() {
            self.timers.cancel(key);
        }
    }

    /// Forgets a connection whose `unbind` has returned.
    pub(super) fn remove_connection(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get(id) else { return };
        let (instance_id, place) = (entry.instance, entry.place);
        if let Some(instance) = self.instances.get_mut(instance_id) {
            instance.connections.swap_remove(place);
            if let Some(&moved) = instance.connections.get(place)
                && let Some(moved) = self.connections.get_mut(moved)
            {
                moved.place = place;
            }
        }
        self.abandon_connection(id, &OnTrap::Close);
        self.end_if_unused(instance_id);
    }

    /// Closes and forgets a connection without a word to any guest.
    ///
    /// One that is still open sees what its plugin's `on_trap` says.
    pub(super) fn abandon_connection(&mut self, id: ConnectionId, on_trap: &OnTrap) {
        if let Some(entry) = self.connections.get(id) {
            let now = self.setup.env.clock.turn();
            entry.shared.lock().abandon(on_trap, now);
        }
        self.close_socket(id);
        if self.connections.remove(id).is_some() {
            self.wake_acceptors();
        }
    }
}

/// What one read came to.
enum Read {
    /// Bytes went to the guest.
    Handed {
        /// Whether they filled the buffer, so that there may be more.
        filled: bool,
    },
    /// Nothing to read for now.
    Nothing,
}

fn deregister(registry: &mio::Registry, stream: &mut Stream) {
    if let Err(error) = registry.deregister(stream) {
        tracing::debug!(%error, "socket not deregistered");
    }
}

/// Makes a deadline fit what is wanted: from when, after how long, what for. Zero is never.
fn set_deadline(
    timers: &mut crate::timer::TimerQueue<Purpose>,
    set: &mut Option<(TimerKey, Duration)>,
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
    *set = wanted.map(|(from, timeout, purpose)| (timers.insert(from + timeout, purpose), timeout));
}
