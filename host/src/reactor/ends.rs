//! Traps and other ends of instances, and releasing what they own.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::config::bound::Limit;
use crate::config::limits;
use crate::config::model::Isolation;
use crate::contract::outcome::ExitReason;
use crate::engine::event::Event;
use crate::engine::trapped::{Stage, Trapped};
use crate::log::text::GuestText;
use crate::log::trap;
use crate::plugin::Plugin;
use crate::plugin::report::Ended;
use crate::plugin::subject::Subject;
use crate::reactor::table::instance::{Instance, InstanceState};
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{Reactor, UNITS_PER_PHASE};
use crate::workers::disposal::{Remaining, Remains};

/// The most deadlines of an ended instance that are cancelled before another tenant has its turn.
const CANCELLED_AT_ONCE: usize = 256;
/// How often that is done in a turn.
const CANCELLED_PER_TURN: usize = 16;

const INSTANCES: Limit = Limit::Of(&limits::INSTANCES);
pub(super) const EVENT_DEADLINE: Limit = Limit::Of(&limits::EVENT_DEADLINE);

/// The log message of an event that has exceeded its deadline.
pub(super) const TOO_LONG: &str = "an event took too long: its instance has ended";

impl Reactor {
    pub(super) fn begin_giving_back(&mut self) -> TurnPhase {
        self.agenda.ends.begin_phase(UNITS_PER_PHASE);
        self.agenda.abandoned.begin_phase(UNITS_PER_PHASE);
        self.agenda.overstays.begin_phase(UNITS_PER_PHASE);
        self.agenda.cancelled.begin_phase(CANCELLED_PER_TURN);
        TurnPhase::GiveBack
    }

    /// Releases one thing of ended instances: ends a child process, closes a connection, or cancels deadlines.
    pub(super) fn give_back(&mut self) -> TurnPhase {
        let (agenda, fair_share) = (&mut self.agenda, &mut self.fair_share);
        let mut waits = |part, tenant| fair_share.passes_over(part, tenant);
        if let Some((tenant, id)) = agenda.ends.next(|tenant| waits(TurnPart::Ends, tenant)) {
            self.charged(tenant, |reactor| reactor.end_instance(id));
        } else if let Some((tenant, (id, plugin))) =
            agenda.abandoned.next(|tenant| waits(TurnPart::Abandoned, tenant))
        {
            self.charged(tenant, |reactor| {
                reactor.abandon_connection(id, tenant, &plugin.config.on_trap);
            });
        } else if let Some((tenant, keys)) =
            agenda.cancelled.next(|tenant| waits(TurnPart::Cancelled, tenant))
        {
            self.charged(tenant, |reactor| {
                keys.into_iter().for_each(|key| reactor.timers.cancel(key));
            });
        } else if !self.end_overstay() && !self.go_on_leaving() {
            return TurnPhase::Stop;
        }
        TurnPhase::GiveBack
    }

    pub(super) fn start_refused(
        &mut self,
        id: InstanceId,
        event: &'static str,
        reason: &GuestText,
    ) {
        let Some(instance) = self.instances.get(id) else { return };
        instance.plugin.start_refused(self.setup.env.clock.now(), event, reason);
        self.end_instance(id);
    }

    /// A guest has trapped, or could not be instantiated: ends its instance, with its connections.
    pub(super) fn trapped(&mut self, id: InstanceId, event: &Event, trapped: &Trapped) {
        if trapped.stage == Stage::Room {
            return self.found_no_room(id, event, trapped);
        }
        let Some(instance) = self.instances.get(id) else { return };
        let plugin = &instance.plugin;
        let subject = self.subject(id, event.connection());
        plugin.ended(
            self.setup.env.clock.now(),
            &Ended {
                what: match trapped.stage {
                    Stage::Run if trapped.limit == Some(EVENT_DEADLINE) => TOO_LONG,
                    Stage::Run => "trapped",
                    Stage::Room | Stage::Make | Stage::Fit => "no instance could be made",
                },
                event: event.name(),
                subject,
                operation: None,
                limit: trapped.limit,
                cause: Some(trap::cause(&trapped.error)),
                last_words: trapped.last_words.clone(),
                backtrace: Some(trap::backtrace(&trapped.error)),
            },
        );
        let plugin = plugin.clone();
        let was_program = instance.started || matches!(event, Event::Prepare | Event::Start);
        self.end_instance(id);
        if was_program {
            self.restart_later(&plugin);
        }
    }

    /// An instance could not be made because a limit is reached. This does not count as a trap of its plugin: the instance ends
    /// with its connections, the plugin's listeners pause, and a program is started again later.
    fn found_no_room(&mut self, id: InstanceId, event: &Event, trapped: &Trapped) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let Some(role) = &mut instance.role {
            role.reason = ExitReason::Unavailable;
        }
        let plugin = instance.plugin.clone();
        let was_program = matches!(event, Event::Prepare | Event::Start);
        let limit = trapped.limit.unwrap_or(INSTANCES);
        let value = self.shown(&plugin, limit).unwrap_or_default();
        let subject = self.subject(id, event.connection());
        plugin.found_no_room(
            self.setup.env.clock.now(),
            limit,
            &value,
            &trap::cause(&trapped.error),
            subject.as_ref(),
        );
        self.end_instance(id);
        self.pause_acceptors_of(plugin.index);
        if was_program {
            self.restart_later(&plugin);
        }
    }

    /// The value of a limit of a plugin, its tenant or the host.
    pub(super) fn shown(&self, plugin: &Plugin, limit: Limit) -> Option<String> {
        let of_host = || (limit == INSTANCES).then(|| self.setup.quota.max.to_string());
        plugin.shown(limit).or_else(of_host)
    }

    /// The connection of an event.
    pub(super) fn subject(
        &self,
        id: InstanceId,
        connection: Option<ConnectionId>,
    ) -> Option<Subject> {
        let instance = self.instances.get(id)?;
        // In a sandbox of one connection timers and ticks are about that connection.
        let single = instance.plugin.config.isolation == Isolation::Connection;
        let only = instance.connections.first().copied().filter(|_| single);
        let connection = self.connections.get(connection.or(only)?)?.shared.lock();
        Some(Subject { connection: connection.number, handler: connection.handler.clone() })
    }

    /// Ends an instance without a last callback: its connections are closed, its timers cancelled.
    ///
    /// The processes that it has spawned end with it. Large amounts are released in the last phase of the next turns.
    pub(super) fn end_instance(&mut self, id: InstanceId) {
        if let Some(mut instance) = self.instances.remove(id) {
            let plugin = instance.plugin.clone();
            let term = instance.term.take().filter(|_| instance.role.is_none());
            let is_away = matches!(instance.state, InstanceState::Away(_));
            self.clear_up(id, instance);
            self.ended_in_restore(id, &plugin);
            if let Some(term) = term {
                self.ended_in_term(id, &term, is_away);
            }
        }
        self.acceptors.wake();
    }

    fn clear_up(&mut self, id: InstanceId, instance: Instance) {
        let tenant = instance.plugin.tenant.index;
        for child in instance.children {
            self.mark_killed(child);
            // It is never entered again.
            if let Some(child) = self.instances.get_mut(child) {
                child.is_ending = true;
            }
            self.agenda.ends.push(tenant, child);
        }
        if let Some(role) = instance.role {
            self.process_ended(id, role);
        }
        if let Some(key) = instance.overdue {
            self.timers.cancel(key);
        }
        let mut timers: Vec<_> =
            instance.timers.into_values().filter_map(|timer| timer.key).collect();
        while !timers.is_empty() {
            let few = timers.split_off(timers.len().saturating_sub(CANCELLED_AT_ONCE));
            self.agenda.cancelled.push(tenant, few);
        }
        for (watch, known) in &instance.watches {
            self.forget_watch(id, *watch, known);
        }
        for place in instance.listeners.into_values() {
            self.close_listener(place);
        }
        for connection in instance.connections {
            self.agenda.abandoned.push(tenant, (connection, instance.plugin.clone()));
        }
        self.programs.ended(instance.plugin.index, id);
        if let Some(key) = instance.reprieve {
            self.timers.cancel(key);
        }
        // Released at once, so that the slot is free for the next instance.
        match instance.state {
            InstanceState::Away(call) => call.abandon(instance.slot),
            InstanceState::Idle(seat) if seat.is_heavy() => {
                let (slot, post) = (instance.slot, self.inbox.post());
                let what = Remaining::Instance { seat, slot, post };
                self.setup.disposal.add(Remains { tenant, what });
            }
            state => {
                drop(state);
                drop(instance.slot);
            }
        }
    }
}
