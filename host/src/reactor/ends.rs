//! Ends of instances that nobody asked for, and what they leave behind.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::config::model::Isolation;
use crate::engine::call::Trapped;
use crate::engine::sandbox::Stage;
use crate::engine::task::Task;
use crate::log;
use crate::plugin::report::Ended;
use crate::reactor::Reactor;
use crate::reactor::table::instance::{Instance, InstanceState};

/// What the log says of an event that took too long.
pub(super) const TOO_LONG: &str = "an event took too long: its instance has ended";

impl Reactor {
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
                    Stage::Run if trapped.limit == Some("event_deadline") => TOO_LONG,
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
        for timer in instance.timers.into_values() {
            if let Some(key) = timer.key {
                self.timers.cancel(key);
            }
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
            state => {
                drop(state);
                drop(instance.slot);
            }
        }
    }
}
