//! Draining: closing connections without interrupting work in progress.
//!
//! The plugin is notified (`drain-handler`), and closes the connection itself or leaves it to the host, which closes it
//! as soon as it is idle. The work of a turn is bounded by tenant; a connection that is not idle is checked again only when
//! that may have changed.

use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::config::model::Isolation;
use crate::contract::export::Export;
use crate::contract::outcome::Drain;
use crate::engine::event::Event;
use crate::net::connection::{CloseReason, Phase};
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::drain::{DrainCause, DrainEntry, DrainStep, Hold};
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{Reactor, UNITS_PER_PHASE};

/// How long after its accept a connection does not count as idle: the first bytes of its peer may be in flight.
const NEW_FOR: Duration = Duration::from_millis(250);

impl Reactor {
    /// Drains a connection until `until`: its plugin is notified in a later phase, and it is closed when it is idle. The caller
    /// cuts it at that time, by [`Reactor::cut_connection`]. If called twice the earlier time counts.
    pub(super) fn drain_connection(&mut self, id: ConnectionId, cause: DrainCause, until: Moment) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        match &mut entry.draining {
            Some(draining) => {
                draining.again(cause, until);
                self.look_at_drained(id);
            }
            None => {
                entry.draining = Some(Box::new(DrainEntry::new(DrainStep::Begin, cause, until)));
                self.drain_later(id);
            }
        }
    }

    /// Closes a connection in a later phase, idle or not; queued bytes are still sent.
    pub(super) fn close_drained(&mut self, id: ConnectionId) {
        self.end_drain(id, DrainStep::Close);
    }

    /// Cuts a connection off in a later phase.
    pub(super) fn cut_connection(&mut self, id: ConnectionId) {
        self.end_drain(id, DrainStep::Cut);
    }

    fn end_drain(&mut self, id: ConnectionId, step: DrainStep) {
        let now = self.setup.env.clock.now();
        let Some(entry) = self.connections.get_mut(id) else { return };
        let draining = entry
            .draining
            .get_or_insert_with(|| Box::new(DrainEntry::new(step, DrainCause::Stop, now)));
        draining.step = step;
        self.drain_later(id);
    }

    /// Puts a connection that is being drained on the agenda of the draining phase.
    fn drain_later(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        let Some(entry) = self.connections.get_mut(id) else { return };
        if let Some(draining) = &mut entry.draining
            && !std::mem::replace(&mut draining.is_due, true)
        {
            self.agenda.draining.push(tenant, id);
        }
    }

    /// A connection has changed: if it waits to be idle, it is checked again.
    pub(super) fn look_at_drained(&mut self, id: ConnectionId) {
        let entry = self.connections.get_mut(id);
        let draining = entry.and_then(|entry| entry.draining.as_ref());
        let is_looked_at = |step: DrainStep| matches!(step, DrainStep::Begin | DrainStep::WhenIdle);
        if draining.is_some_and(|draining| is_looked_at(draining.step)) {
            self.drain_later(id);
        }
    }

    /// The time for the first bytes of a new connection is over.
    pub(super) fn is_not_new_any_more(&mut self, id: ConnectionId) {
        let entry = self.connections.get_mut(id);
        if let Some(draining) = entry.and_then(|entry| entry.draining.as_mut()) {
            draining.again = None;
        }
        self.look_at_drained(id);
    }

    /// An instance has become idle: the connections that waited for that are checked again.
    pub(super) fn release_held(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.held.is_empty() || !instance.is_quiet() {
            return;
        }
        for connection in std::mem::take(&mut instance.held) {
            let entry = self.connections.get_mut(connection);
            if let Some(draining) = entry.and_then(|entry| entry.draining.as_mut()) {
                draining.is_held = false;
            }
            self.look_at_drained(connection);
        }
    }

    /// Begins the draining phase.
    pub(super) fn begin_draining_phase(&mut self) -> TurnPhase {
        self.sweep();
        if !self.agenda.draining.begin_phase(UNITS_PER_PHASE) {
            return self.begin_unbinds();
        }
        TurnPhase::Draining
    }

    /// Takes the next step of one connection.
    pub(super) fn drain_one(&mut self) -> TurnPhase {
        let (draining, fair_share) = (&mut self.agenda.draining, &mut self.fair_share);
        let due = draining.next(|tenant| fair_share.passes_over(TurnPart::Draining, tenant));
        let Some((tenant, id)) = due else { return self.begin_unbinds() };
        self.charged(tenant, |reactor| reactor.go_on_draining(id));
        TurnPhase::Draining
    }

    fn go_on_draining(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let Some(draining) = &mut entry.draining else { return };
        draining.is_due = false;
        let (step, until, was_unread) = (draining.step, draining.until, draining.was_unread);
        match step {
            // Its plugin does not know it yet. It is looked at again when that has changed.
            DrainStep::Begin if entry.opening.is_some() => {}
            DrainStep::Begin if !was_unread && self.is_unread(id) => self.read_first(id),
            DrainStep::Begin => self.tell_of_drain(id, until),
            DrainStep::WhenIdle => match self.hold(id, until) {
                Some(hold) => self.look_again(id, hold),
                None => self.close_now(id),
            },
            DrainStep::Close => self.close_now(id),
            DrainStep::Cut => self.cut_now(id),
            DrainStep::Told | DrainStep::UntilClosed | DrainStep::Stays | DrainStep::Closed => {}
        }
    }

    /// Delivers unread input before the plugin is notified, which could otherwise take the connection for one between two
    /// requests. It gets a short time for that.
    fn read_first(&mut self, id: ConnectionId) {
        let until = self.setup.env.clock.now() + NEW_FOR;
        let entry = self.connections.get_mut(id);
        if let Some(draining) = entry.and_then(|entry| entry.draining.as_mut()) {
            draining.was_unread = true;
        }
        self.look_again(id, Hold::New(until));
        self.look_again(id, Hold::Instance);
    }

    /// Whether there is input that its plugin accepts and has not been given.
    fn is_unread(&self, id: ConnectionId) -> bool {
        let Some(entry) = self.connections.get(id) else { return false };
        let mut connection = entry.shared.lock();
        if !connection.wants_read() {
            return false;
        }
        entry.has_unread(&mut connection)
    }

    /// Notifies the plugin that a connection is being drained, if it exports `drain-handler`.
    fn tell_of_drain(&mut self, id: ConnectionId, until: Moment) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let instance = entry.instance;
        let Some(plugin) = self.instances.get(instance).map(|it| &it.plugin) else { return };
        let is_told = plugin.exports.has(Export::Draining) || plugin.serves_http;
        if let Some(draining) = &mut entry.draining {
            draining.step = if is_told { DrainStep::Told } else { DrainStep::WhenIdle };
        }
        if is_told {
            self.deliver(instance, Event::Draining { connection: id, until });
        } else {
            self.drain_later(id);
        }
    }

    /// Handles the plugin's answer to the notification.
    pub(super) fn drain_was_told(&mut self, id: ConnectionId, drain: Drain) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let speaks_host =
            self.instances.get(entry.instance).is_some_and(|it| it.plugin.serves_http);
        if let Some(draining) = &mut entry.draining
            && draining.step == DrainStep::Told
        {
            draining.answered(drain, speaks_host);
        }
        self.look_at_drained(id);
    }

    fn look_again(&mut self, id: ConnectionId, hold: Hold) {
        let owner = Owner::Tenant(self.tenant_of(id));
        let Some(entry) = self.connections.get_mut(id) else { return };
        let instance = entry.instance;
        let Some(draining) = &mut entry.draining else { return };
        match hold {
            Hold::Own => {}
            Hold::Instance if draining.is_held => {}
            Hold::Instance => {
                draining.is_held = true;
                if let Some(instance) = self.instances.get_mut(instance) {
                    instance.held.push(id);
                }
            }
            Hold::New(until) if draining.again.is_none() => {
                let again = self.timers.insert(owner, until, Purpose::NotNewAnyMore(id));
                draining.again = Some(again);
            }
            Hold::New(_) => {}
        }
    }

    fn close_now(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        if let Some(draining) = &mut entry.draining {
            draining.step = DrainStep::Closed;
        }
        entry.shared.lock().stop();
        self.reconcile(id);
    }

    fn cut_now(&mut self, id: ConnectionId) {
        let entry = self.connections.get_mut(id);
        if let Some(draining) = entry.and_then(|entry| entry.draining.as_mut()) {
            draining.step = DrainStep::Closed;
        }
        self.end_connection(id, CloseReason::Stopped);
    }

    /// What keeps a connection from being idle; none if it is idle.
    fn hold(&mut self, id: ConnectionId, until: Moment) -> Option<Hold> {
        let entry = self.connections.get(id)?;
        let (instance, new_since) = (entry.instance, entry.accepted_at);
        if !self.instances.get(instance)?.is_quiet() {
            return Some(Hold::Instance);
        }
        let mut connection = entry.shared.lock();
        match connection.phase() {
            // An outgoing connection that is not established has nothing to lose.
            Phase::Resolving | Phase::Connecting => return None,
            Phase::Handshaking | Phase::Finishing(_) | Phase::Ended(_) => return Some(Hold::Own),
            Phase::Open => {}
        }
        if !entry.is_open || connection.has_output() || connection.is_relayed() {
            return Some(Hold::Own);
        }
        if entry.has_unread(&mut connection) {
            return Some(Hold::Instance);
        }
        drop(connection);
        if self.instance_holds(instance, id, until) {
            return Some(Hold::Instance);
        }
        let new_until = new_since? + NEW_FOR;
        (self.setup.env.clock.now() < new_until).then_some(Hold::New(new_until))
    }

    /// Whether an instance has work in progress that one of its connections may depend on.
    fn instance_holds(&mut self, id: InstanceId, of: ConnectionId, until: Moment) -> bool {
        let Some(instance) = self.instances.get_mut(id) else { return false };
        if instance.awaits_something(until) {
            return true;
        }
        let is_asked_for =
            |id: &ConnectionId| self.connections.get(*id).is_some_and(|entry| entry.is_asked_for);
        // In a sandbox of one connection, the other connections serve that one.
        instance.plugin.config.isolation == Isolation::Connection
            && !is_asked_for(&of)
            && instance.connections.iter().any(is_asked_for)
    }
}
