//! The phase of the timers: handling due deadlines.

use std::sync::Arc;

use crate::base::arena::ConnectionId;
use crate::config::bound::Limit;
use crate::config::limits;
use crate::net::connection::{CloseReason, Phase};
use crate::plugin::Plugin;
use crate::reactor::Reactor;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::instance::Unavailable;
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;

impl Reactor {
    /// Handles the next due deadline.
    pub(super) fn run_timer(&mut self) -> TurnPhase {
        let (timers, fair_share) = (&mut self.timers, &mut self.fair_share);
        let due = timers.next_due(|tenant| fair_share.passes_over(TurnPart::Timers, tenant));
        let Some(purpose) = due else { return TurnPhase::Poll };
        match purpose {
            // A stopping reactor finishes its turn and begins nothing new.
            Purpose::Guest(..) if self.stopping.has_ended_guests() => {}
            Purpose::Guest(instance, timer) => self.guest_timer_due(instance, timer),
            Purpose::Overdue(instance) => self.overdue(instance),
            Purpose::Inactivity(id) => self.check_inactivity(id),
            Purpose::PendingConnect(id) => self.end_connection(id, CloseReason::ConnectTimeout),
            Purpose::Handshake(id) => self.handshake_is_late(id),
            Purpose::NextAttempt(id) => self.next_attempt(id),
            Purpose::CloseDeadline(id) => self.close_deadline_passed(id),
            Purpose::Replenished(tenant, rate) => {
                self.charged(tenant, |reactor| reactor.replenished(tenant, rate));
            }
            Purpose::Reprieve(instance) => self.reprieve(instance),
            Purpose::Accept(place) => self.try_again(place),
            Purpose::NotNewAnyMore(id) => self.is_not_new_any_more(id),
            Purpose::Restart(plugin) => self.restart(plugin),
            Purpose::Drained(place) => self.drained_for_long(place),
            Purpose::Retired { place, generation } => self.retired_for_long(place, generation),
            Purpose::Kept { place, generation } => self.programs.forget_kept(place, generation),
            Purpose::Term(number) => self.look_at_term(number),
            Purpose::StopDeadline => self.stopping.stop.deadline_passed(),
        }
        TurnPhase::Timers
    }

    fn check_inactivity(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.inactivity = None;
        let mut connection = entry.shared.lock();
        let timeout = connection.comm_inactivity_timeout;
        if !timeout.is_zero() && timeout <= now.since(connection.last_activity()) {
            connection.end(CloseReason::InactivityTimeout);
        }
        drop(connection);
        self.reconcile(id);
    }

    fn close_deadline_passed(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let phase = entry.shared.lock().phase();
        match phase {
            // A peer that is still reading a long file gets more time.
            Phase::Finishing(reason) if reason != CloseReason::Stopped && self.sends_files(id) => {
                self.finish_later(id);
            }
            Phase::Finishing(CloseReason::Stopped) => self.end_connection(id, CloseReason::Stopped),
            Phase::Finishing(_) => {
                self.log_close_deadline(id);
                self.end_connection(id, CloseReason::Limit);
            }
            _ => {}
        }
    }

    /// Whether a connection sends files, and bytes were written within the close deadline.
    fn sends_files(&self, id: ConnectionId) -> bool {
        let Some(entry) = self.connections.get(id) else { return false };
        let connection = entry.shared.lock();
        let now = self.setup.env.clock.now();
        connection.has_files() && now.since(connection.last_activity()) < self.setup.close_deadline
    }

    /// Sets the close deadline of a connection again, from its last activity.
    fn finish_later(&mut self, id: ConnectionId) {
        let owner = Owner::Tenant(self.tenant_of(id));
        let Some(entry) = self.connections.get_mut(id) else { return };
        let deadline = entry.shared.lock().last_activity() + self.setup.close_deadline;
        entry.close_deadline =
            Some(self.timers.insert(owner, deadline, Purpose::CloseDeadline(id)));
    }

    fn log_close_deadline(&self, id: ConnectionId) {
        let Some(entry) = self.connections.get(id) else { return };
        let Some(instance) = self.instances.get(entry.instance) else { return };
        let (now, limit) = (self.setup.env.clock.now(), Limit::Of(&limits::CLOSE_DEADLINE));
        let value = || format!("{:?}", self.setup.close_deadline);
        instance.plugin.at_limit_of(now, limit, value, || self.subject(entry.instance, Some(id)));
    }

    /// Ends a connection with a reason of the host.
    pub(super) fn end_connection(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.shared.lock().end(reason);
        self.reconcile(id);
    }

    /// Starts a failed program again after a wait, which grows with each failure. A program that serves a listener is started
    /// by its next connection instead, one of an earlier version never.
    pub(super) fn restart_later(&mut self, served: &Arc<Plugin>) {
        let plugin = served.index;
        let is_needed = self.is_served(served) && !self.acceptors.serves(plugin);
        // A singleton is begun by its next term, here or on another host.
        let is_needed = is_needed && !served.config.singleton;
        if !is_needed || self.stopping.has_begun() {
            return;
        }
        let now = self.setup.env.clock.now();
        if served.counters.is_held_back() {
            return self.programs.wait_in_quarantine(plugin);
        }
        let after = self.programs.failed(plugin, now);
        self.timers.insert(Owner::Host, now + after, Purpose::Restart(plugin));
        served.tell(now, || {
            let (plugin, tenant) = (served.name(), &served.config.tenant);
            tracing::warn!(plugin, tenant, after_ms = after.as_millis(), "starting again later");
        });
    }

    pub(super) fn restart(&mut self, plugin: usize) {
        let is_singleton = self.plugin(plugin).is_some_and(|it| it.config.singleton);
        if self.stopping.has_begun() || self.waits_for_handover(plugin) || is_singleton {
            return;
        }
        match self.instance_for(plugin) {
            Err(Unavailable::NoRoom(_)) => {
                if let Some(served) = self.plugin(plugin).cloned() {
                    self.restart_later(&served);
                }
            }
            Err(Unavailable::Quarantined) => self.programs.wait_in_quarantine(plugin),
            // A program that fails in its first callbacks schedules the next attempt there.
            Ok(_) | Err(Unavailable::Gone) => {}
        }
    }

    /// Plugins are no longer held back: paused listeners are resumed, programs are started again.
    pub(super) fn take_up_again(&mut self) {
        for place in self.acceptors.places() {
            self.acceptors.make_ready(place);
        }
        for plugin in self.programs.leave_quarantine() {
            self.restart(plugin);
        }
    }
}
