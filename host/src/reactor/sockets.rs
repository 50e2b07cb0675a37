//! The phase of the sockets: work left over from the last turn, then the events of the poll. Reading connections, and
//! stalling them.

use std::io;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::token::PollSource;
use crate::config::limits;
use crate::engine::event::Event;
use crate::net::connection::{Connection, Phase, reason_of};
use crate::reactor::handshakes::HANDSHAKES_PER_TURN;
use crate::reactor::table::backlog::ReadState;
use crate::reactor::table::instance_queue::QueueItem;
use crate::reactor::table::poll_events::SocketEvent;
use crate::reactor::table::turn::{Accepting, SocketProgress, SocketStep, TurnPhase};
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{READ_BYTES, Reactor, UNITS_PER_PHASE};

/// The most reads from one connection in a turn.
const READS_PER_TURN: usize = 4;

impl Reactor {
    /// Begins the phase: what is left over now is handled once.
    pub(super) fn begin_sockets(&mut self) -> TurnPhase {
        self.agenda.handshakes.begin_phase(HANDSHAKES_PER_TURN);
        self.agenda.reads.begin_phase(UNITS_PER_PHASE);
        self.agenda.writes.begin_phase(UNITS_PER_PHASE);
        TurnPhase::Sockets(SocketProgress {
            doing: SocketStep::Next,
            acceptors: self.acceptors.ready(),
            watches: self.watches.may_have_more(),
        })
    }

    /// Continues the phase up to the next event for a guest.
    pub(super) fn serve_sockets(&mut self, mut progress: SocketProgress) -> TurnPhase {
        progress.doing = match progress.doing {
            SocketStep::Accept(accepting) => self.accept(accepting),
            SocketStep::Receive(accepting) => self.receive(accepting),
            SocketStep::Read { connection, left, to_the_end } => {
                self.read(connection, left, to_the_end)
            }
            SocketStep::Next => match self.next_socket(&mut progress) {
                Some(step) => step,
                None => return self.begin_pending(),
            },
        };
        TurnPhase::Sockets(progress)
    }

    /// The step of the next socket; none after the last.
    fn next_socket(&mut self, progress: &mut SocketProgress) -> Option<SocketStep> {
        if 0 < progress.acceptors {
            progress.acceptors -= 1;
            let place = self.acceptors.next_ready();
            return Some(place.map_or(SocketStep::Next, |place| self.accept_at(place)));
        }
        if progress.watches {
            progress.watches = false;
            self.take_changes();
            return Some(SocketStep::Next);
        }
        let (agenda, fair_share) = (&mut self.agenda, &mut self.fair_share);
        let handshakes_wait = |tenant| fair_share.passes_over(TurnPart::Handshakes, tenant);
        if let Some((_, id)) = agenda.handshakes.next(handshakes_wait) {
            self.continue_handshake(id);
            return Some(SocketStep::Next);
        }
        let writes_wait = |tenant| fair_share.passes_over(TurnPart::Writes, tenant);
        if let Some((_, id)) = agenda.writes.next(writes_wait) {
            self.write(id);
            return Some(SocketStep::Next);
        }
        let reads_wait = |tenant| fair_share.passes_over(TurnPart::Reads, tenant);
        if let Some((_, id)) = agenda.reads.next(reads_wait) {
            return Some(self.read_again(id));
        }
        self.look_ahead();
        let event = self.events.next()?;
        Some(match event.source {
            PollSource::Waker => SocketStep::Next,
            PollSource::Watches => {
                self.watches.found();
                SocketStep::Next
            }
            PollSource::Listener(place) => self.accept_at(place),
            PollSource::Connection(id) => self.on_event(id, event),
        })
    }

    /// The poll has an event for a listener.
    fn accept_at(&self, place: usize) -> SocketStep {
        if self.has_datagrams(place) {
            SocketStep::Receive(Accepting::datagrams(place))
        } else {
            SocketStep::Accept(Accepting::new(place))
        }
    }

    /// The poll has an event for a connection.
    fn on_event(&mut self, id: ConnectionId, event: SocketEvent) -> SocketStep {
        let Some(entry) = self.connections.get_mut(id) else { return SocketStep::Next };
        let phase = entry.shared.lock().phase();
        match phase {
            Phase::Resolving | Phase::Ended(_) => return SocketStep::Next,
            Phase::Connecting => {
                if event.is_readable {
                    entry.reading.found();
                }
                self.on_connecting(id);
            }
            Phase::Handshaking => {
                if !(event.is_error && self.take_error(id)) {
                    self.continue_handshake_later(id);
                }
                return SocketStep::Next;
            }
            Phase::Open | Phase::Finishing(_) => {
                if event.is_readable || event.is_read_closed {
                    entry.reading.found();
                }
                if event.is_error && self.take_error(id) {
                    return SocketStep::Next;
                }
                if event.is_writable {
                    self.write_in_turn(id);
                }
            }
        }
        // If the poll reports the peer's end, a short read is not the last one.
        SocketStep::Read { connection: id, left: READS_PER_TURN, to_the_end: event.is_read_closed }
    }

    /// Reads a connection again that had more input than the turn allowed, or had to wait.
    fn read_again(&mut self, id: ConnectionId) -> SocketStep {
        if !self.unlist(id) {
            return SocketStep::Next;
        }
        SocketStep::Read { connection: id, left: READS_PER_TURN, to_the_end: true }
    }
}

impl Reactor {
    /// Reads once and delivers; returns whether to continue with this connection.
    pub(super) fn read(&mut self, id: ConnectionId, left: usize, to_the_end: bool) -> SocketStep {
        if left == 0 || self.reading_waits(id) {
            self.make_ready(id);
            return SocketStep::Next;
        }
        let Some(entry) = self.connections.get(id) else { return SocketStep::Next };
        if entry.reading != ReadState::Readable {
            // There is nothing to read, or a list holds it already.
            return SocketStep::Next;
        }
        if entry.is_proxied {
            return self.relay(id, left, to_the_end);
        }
        let instance = entry.instance;
        let Some(state) = self.instances.get_mut(instance) else { return SocketStep::Next };
        if !state.is_quiet() {
            // Read after the events that are queued before it.
            state.push(QueueItem::Reading(id));
            self.list(id, ReadState::QueuedBehindEvents);
            return SocketStep::Next;
        }
        let Some(event) = self.read_data(id) else { return SocketStep::Next };
        let is_short = matches!(&event, Event::Data { length, .. } if *length < READ_BYTES);
        let mut is_last = is_short && !to_the_end;
        if is_last && let Some(entry) = self.connections.get_mut(id) {
            if entry.holds_input {
                is_last = false;
            } else {
                entry.reading = ReadState::Quiet;
            }
        }
        self.enter_next(instance, event);
        if is_last {
            return SocketStep::Next;
        }
        SocketStep::Read { connection: id, left: left - 1, to_the_end }
    }

    /// Whether its tenant has used its share of this turn, so that the read waits for the next one.
    fn reading_waits(&mut self, id: ConnectionId) -> bool {
        let instance =
            self.connections.get(id).and_then(|entry| self.instances.get(entry.instance));
        instance.is_some_and(|instance| {
            self.fair_share.passes_over(TurnPart::Reads, instance.plugin.tenant.index)
        })
    }

    /// Reads a connection that had to wait until its instance was idle.
    pub(super) fn read_delayed(&mut self, id: ConnectionId) -> Option<Event> {
        if !self.unlist(id) {
            return None;
        }
        if self.connections.get(id)?.is_proxied {
            self.make_ready(id);
            return None;
        }
        let event = self.read_data(id)?;
        // There may be more, which is read after everything else that is queued.
        self.make_ready(id);
        Some(event)
    }

    /// Reads for an idle instance.
    fn read_data(&mut self, id: ConnectionId) -> Option<Event> {
        let now = self.setup.env.clock.turn();
        let entry = self.connections.get(id)?;
        let instance = entry.instance;
        if !entry.is_open || !entry.shared.lock().wants_read() || self.stall(instance, id) {
            return None;
        }
        let entry = self.connections.get_mut(id)?;
        let mut connection = entry.shared.lock();
        let mut buffer = self.buffer.take().unwrap_or_else(|| vec![0; READ_BYTES]);
        // Decryption costs CPU time, which is charged to the tenant.
        let is_measured = connection.has_tls() && self.fair_share.is_contended();
        let begun = is_measured.then(|| self.setup.env.clock.now());
        let read = connection.read(&mut buffer, now);
        let spent = begun.map(|begun| self.setup.env.clock.now().since(begun));
        if let Some((spent, instance)) = spent.zip(self.instances.get(instance)) {
            self.fair_share.charge_work(instance.plugin.tenant.index, spent);
        }
        match read {
            Ok(length) if 0 < length || connection.has_datagrams() => {
                entry.holds_input = connection.holds_input();
                let wants_to_answer = !entry.writable_wanted && connection.wants_write();
                drop(connection);
                if wants_to_answer {
                    // The TLS session has records of its own that were not written.
                    self.reconcile(id);
                }
                self.count_reading(id, instance, length);
                return Some(Event::Data { connection: id, buffer, length });
            }
            nothing => nothing_read(&mut connection, &mut entry.reading, nothing),
        }
        drop(connection);
        self.buffer = Some(buffer);
        self.reconcile(id);
        None
    }

    /// Stalls a connection until its instance, or its tenant, may read more; false if it need not wait.
    pub(super) fn stall(&mut self, id: InstanceId, connection: ConnectionId) -> bool {
        let Some(instance) = self.instances.get_mut(id) else { return true };
        if instance.plugin.tenant.must_not_read(&self.setup.env.clock) {
            instance.stalled.push(connection);
            self.wait_to_read(id);
        } else if self.waits_for_room(id) {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.stalled.push(connection);
            }
        } else {
            return false;
        }
        self.list(connection, ReadState::Stalled);
        true
    }

    /// Ends the stall of an instance: its connections are read again. Those beyond a bound wait for a later turn.
    pub(super) fn end_stall(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let later = instance.stalled.split_off(instance.stalled.len().min(UNITS_PER_PHASE));
        if !later.is_empty() && !std::mem::replace(&mut instance.waits.reading, true) {
            self.agenda.stalled.push(instance.plugin.tenant.index, id);
        }
        for connection in std::mem::replace(&mut instance.stalled, later) {
            self.count_unit();
            if self.unlist(connection) {
                self.make_ready(connection);
            }
        }
    }

    /// Charges read bytes to the tenant's read rate, if that is bounded.
    pub(super) fn count_reading(&self, id: ConnectionId, instance: InstanceId, length: usize) {
        let Some(instance) = self.instances.get(instance) else { return };
        let reading = &instance.plugin.tenant.reading;
        if !reading.is_bounded() {
            return;
        }
        reading.take(u64::try_from(length).unwrap_or(u64::MAX));
        if reading.is_empty(self.setup.env.clock.now()) {
            self.log_at_limit(id, &limits::READ_PER_SECOND);
        }
    }

    /// Puts a connection that may have input on the agenda.
    pub(super) fn make_ready(&mut self, id: ConnectionId) {
        if self.list(id, ReadState::Ready) {
            let tenant = self.tenant_of(id);
            self.agenda.reads.push(tenant, id);
        }
    }

    /// Notes the list that a connection is put into; false if there is nothing to read or it is in a list already.
    fn list(&mut self, id: ConnectionId, state: ReadState) -> bool {
        let entry = self.connections.get_mut(id);
        let Some(entry) = entry.filter(|entry| entry.reading == ReadState::Readable) else {
            return false;
        };
        entry.reading = state;
        true
    }

    /// Notes that a connection was taken out of its list; false if it is gone or was not in one.
    pub(super) fn unlist(&mut self, id: ConnectionId) -> bool {
        let entry = self.connections.get_mut(id);
        let Some(entry) = entry.filter(|entry| entry.reading.is_listed()) else { return false };
        entry.reading = ReadState::Readable;
        true
    }
}

/// Handles a read without bytes: nothing is there now, or the peer's stream has ended.
pub(super) fn nothing_read(
    connection: &mut Connection,
    reading: &mut ReadState,
    read: io::Result<usize>,
) {
    match read {
        Ok(_) => {
            *reading = ReadState::Quiet;
            connection.peer_ended();
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            // An empty record may be followed by others.
            if !connection.holds_input() {
                *reading = ReadState::Quiet;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            *reading = ReadState::Quiet;
            connection.peer_was_cut_off();
        }
        Err(error) => connection.end(reason_of(&error)),
    }
}
