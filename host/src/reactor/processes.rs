//! Processes: instances without a connection, from `spawn` to the notice of their end.

use crate::base::arena::InstanceId;
use crate::config::bound::Limit;
use crate::config::limits;
use crate::contract::outcome::{ClusterExit, ExitReason};
use crate::engine::event::Event;
use crate::mail::mailboxes::ForeignBirth;
use crate::mail::post::Mail;
use crate::plugin::Plugin;
use crate::reactor::Reactor;
use crate::reactor::table::instance::Unavailable;
use crate::reactor::table::process::{Parent, Role, SpawnRequest};

/// The most messages that a new process gets at once.
const TOLD_AT_ONCE: usize = 4;

impl Reactor {
    /// Creates a process, unless its parent is gone or the reactor ends.
    pub(super) fn spawn(&mut self, request: SpawnRequest) {
        let SpawnRequest { process, parent, plugin, name, argument } = request;
        if self.unborn.remove(&process.id()).is_none() {
            // It was killed before.
            return;
        }
        if self.instances.get(parent).is_none() || self.stopping.has_ended_guests() {
            return;
        }
        let (number, waiting) = (process.id(), process.waiting());
        let Some(tenant) = self.plugin(plugin).map(|plugin| plugin.tenant.index) else {
            return self.send_later(parent, process.id(), ExitReason::Unavailable);
        };
        // The exit reason if the end is not requested.
        let role = Role { process, parent: Parent::Here(parent), reason: ExitReason::Trapped };
        let id = match self.new_instance(plugin, Some(role)) {
            Ok(id) => id,
            Err(why) => {
                self.log_unavailable(plugin, why);
                return self.send_later(parent, number, ExitReason::Unavailable);
            }
        };
        self.processes.insert(number, id);
        let term = self.instances.get_mut(parent).and_then(|parent| {
            parent.children.insert(id);
            parent.term.clone()
        });
        if let (Some(term), Some(child)) = (term, self.instances.get_mut(id)) {
            child.run_in(term);
        }
        self.deliver(id, Event::Spawned { process: number, name, argument: Box::new(argument) });
        self.deliver_waiting(number, waiting, tenant);
    }

    /// Creates a process that was spawned in the cluster. Its end is told wherever it is dropped.
    pub(super) fn bear(&mut self, birth: ForeignBirth) {
        let ForeignBirth { process, plugin, tenant, name, argument, mut notice, .. } = birth;
        notice.set(ClusterExit::Unavailable);
        let is_the_same = |it: &Plugin| it.tenant.index == tenant && it.index == plugin;
        if self.stopping.has_begun() || !self.plugin(plugin).is_some_and(|it| is_the_same(it)) {
            return;
        }
        let (number, waiting) = (process.id(), process.waiting());
        let parent = Parent::InCluster(notice);
        let role = Role { process, parent, reason: ExitReason::Trapped };
        match self.new_instance(plugin, Some(role)) {
            Ok(id) => {
                self.processes.insert(number, id);
                let role = self.instances.get_mut(id).and_then(|it| it.role.as_mut());
                role.into_iter().for_each(Role::is_born);
                self.deliver(
                    id,
                    Event::Spawned { process: number, name, argument: Box::new(argument) },
                );
                self.deliver_waiting(number, waiting, tenant);
            }
            Err(why) => self.log_unavailable(plugin, why),
        }
    }

    /// Ends a process that was spawned in the cluster.
    pub(super) fn kill_born(&mut self, process: u32) {
        if let Some(&id) = self.processes.get(&process) {
            self.mark_killed(id);
            self.end_instance(id);
        }
    }

    /// Messages came before the process existed. A few are delivered at once, the others as mail, turn by turn.
    fn deliver_waiting(&mut self, number: u32, waiting: usize, tenant: usize) {
        let told = waiting.min(TOLD_AT_ONCE);
        self.notify(number, told);
        if told < waiting {
            let notified = Mail::Notified { process: number, messages: waiting - told };
            self.agenda.mail.push(tenant, notified);
        }
    }

    /// Reports the limit that keeps a plugin from getting another instance.
    fn log_unavailable(&self, plugin: usize, why: Unavailable) {
        let Some(plugin) = self.plugin(plugin) else { return };
        let limit = Limit::Of(match why {
            Unavailable::NoRoom(full) => full.bound(),
            Unavailable::Quarantined => &limits::TRAPS,
            Unavailable::Gone => return,
        });
        let value = || self.shown(plugin, limit).unwrap_or_default();
        plugin.at_limit_of(self.setup.env.clock.now(), limit, value, || None);
    }

    /// Ends a process, if `parent` has spawned it.
    pub(super) fn kill(&mut self, parent: InstanceId, process: u32) {
        if let Some(&child) = self.processes.get(&process) {
            let is_child =
                self.instances.get(parent).is_some_and(|parent| parent.children.contains(&child));
            if is_child {
                self.mark_killed(child);
                self.end_instance(child);
            }
            return;
        }
        // It may still be pending; then it is never created.
        if self.unborn.get(&process) == Some(&parent) {
            self.unborn.remove(&process);
            self.send_later(parent, process, ExitReason::Killed);
        }
    }

    /// Ends a process at its own request.
    pub(super) fn exit(&mut self, id: InstanceId) {
        if let Some(role) = self.instances.get_mut(id).and_then(|instance| instance.role.as_mut()) {
            role.reason = ExitReason::Finished;
            self.end_instance(id);
        }
    }

    /// Marks an instance as killed by its parent.
    pub(super) fn mark_killed(&mut self, id: InstanceId) {
        if let Some(role) = self.instances.get_mut(id).and_then(|instance| instance.role.as_mut()) {
            role.reason = ExitReason::Killed;
        }
    }

    /// Notifies the parent that a process has ended.
    pub(super) fn process_ended(&mut self, id: InstanceId, role: Role) {
        let process = role.process.id();
        self.processes.remove(&process);
        match role.parent {
            Parent::Here(parent) => {
                if let Some(instance) = self.instances.get_mut(parent) {
                    instance.children.remove(&id);
                    self.send_later(parent, process, role.reason);
                }
            }
            Parent::InCluster(mut notice) => notice.set(role.reason.into()),
        }
    }
}
