//! Ends of instances that nobody asked for, and what they leave behind.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::config::model::Isolation;
use crate::engine::sandbox::{Stage, Trapped};
use crate::engine::task::Task;
use crate::log;
use crate::plugin::report::Ended;
use crate::reactor::Reactor;
use crate::reactor::table::instance::{Instance, InstanceState};
use crate::reactor::table::turn::TurnPhase;
use crate::workers::disposal::Remains;

/// Deadlines of an ended instance that are taken off before another tenant has its turn.
const CANCELLED_AT_ONCE: usize = 256;

impl Reactor {
    /// Takes off some of the deadlines that ended instances have left.
    pub(super) fn cancel_deadlines(&mut self) -> TurnPhase {
        let (cancelled, fair_share) = (&mut self.agenda.cancelled, &self.fair_share);
        let next = cancelled.next(|tenant| fair_share.has_used_its_share(tenant));
        let Some((tenant, keys)) = next else { return TurnPhase::Stop };
        self.charged(tenant, |reactor| keys.into_iter().for_each(|key| reactor.timers.cancel(key)));
        TurnPhase::Cancel
    }

    pub(super) fn start_refused(&mut self, id: InstanceId, event: &'static str, reason: &str) {
        let Some(instance) = self.instances.get(id) else { return };
        let plugin = instance.plugin.name();
        let reason = log::escaped(reason);
        tracing::error!(plugin, event, reason = &*reason, "start failed: the instance has ended");
        self.end_instance(id);
    }

    /// A guest has trapped, or could not be made: it alone ends, with its connections.
    pub(super) fn trapped(&mut self, id: InstanceId, task: &Task, trapped: &Trapped) {
        let Some(instance) = self.instances.get(id) else { return };
        let plugin = &instance.plugin;
        let subject = self.subject(id, task.connection());
        plugin.ended(
            self.setup.env.clock.now(),
            &Ended {
                what: match trapped.stage {
                    Stage::Run => "trapped",
                    Stage::Make | Stage::Fit => "no instance could be made",
                },
                event: task.name(),
                handler: subject.as_ref().map(|(_, handler)| &**handler),
                connection: subject.as_ref().map(|(number, _)| *number),
                operation: None,
                limit: trapped.limit,
                cause: Some(log::cause(&trapped.error)),
                backtrace: Some(log::backtrace(&trapped.error)),
            },
        );
        let index = plugin.index;
        let was_program = instance.started || matches!(task, Task::Prepare | Task::Start);
        self.end_instance(id);
        if was_program {
            self.restart_later(index);
        }
    }

    /// The connection that an event was about, its number and its handler.
    pub(super) fn subject(
        &self,
        id: InstanceId,
        connection: Option<ConnectionId>,
    ) -> Option<(u32, String)> {
        let instance = self.instances.get(id)?;
        // A timer or a tick in the sandbox of one connection is about that connection.
        let single = instance.plugin.config.isolation == Isolation::Connection;
        let only = instance.connections.first().copied().filter(|_| single);
        let connection = self.connections.get(connection.or(only)?)?.shared.lock();
        Some((connection.number, connection.handler.clone()))
    }

    /// The end of an instance that cannot be told: its connections are closed, its timers forgotten.
    ///
    /// The processes that it has spawned end with it.
    pub(super) fn end_instance(&mut self, id: InstanceId) {
        let mut ending = vec![id];
        while let Some(id) = ending.pop() {
            if let Some(instance) = self.instances.remove(id) {
                self.clear_up(id, instance, &mut ending);
            }
        }
        self.acceptors.wake();
    }

    fn clear_up(&mut self, id: InstanceId, instance: Instance, ending: &mut Vec<InstanceId>) {
        for child in instance.children {
            self.mark_killed(child);
            ending.push(child);
        }
        if let Some(role) = instance.role {
            self.process_ended(id, &role);
        }
        if let Some(key) = instance.overdue {
            self.timers.cancel(key);
        }
        let tenant = instance.plugin.tenant.index;
        let mut timers: Vec<_> =
            instance.timers.into_values().filter_map(|timer| timer.key).collect();
        while !timers.is_empty() {
            let few = timers.split_off(timers.len().saturating_sub(CANCELLED_AT_ONCE));
            self.agenda.cancelled.push(tenant, few);
        }
        for connection in instance.connections {
            self.abandon_connection(connection, &instance.plugin.config.on_trap);
        }
        self.programs.ended(instance.plugin.index, id);
        if let Some(key) = instance.reprieve {
            self.timers.cancel(key);
        }
        // Its place is free before anybody asks for it.
        match instance.state {
            InstanceState::Away(call) => call.abandon(instance.slot),
            InstanceState::Idle(seat) if seat.is_heavy() => {
                let (slot, post) = (instance.slot, self.inbox.post());
                self.setup.disposal.add(Remains { tenant, seat, slot, post });
            }
            state => {
                drop(state);
                drop(instance.slot);
            }
        }
    }
}
