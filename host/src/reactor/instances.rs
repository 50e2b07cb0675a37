//! Events into instances: one at a time for each, in slices, and what happens when one traps.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::config::model::Isolation;
use crate::engine::sandbox::{Finished, Sandbox, Seat};
use crate::engine::task::{Outcome, Task};
use crate::host_api::command::Command;
use crate::host_api::state::HostState;
use crate::mail::post::Address;
use crate::quota::instances::QuotaExceeded;
use crate::reactor::table::event::Event;
use crate::reactor::table::instance::{
    DOWNSTREAM_FULL_MAX, GuestTimer, Instance, InstanceState, Unavailable,
};
use crate::reactor::table::process::{Birth, Role};
use crate::reactor::{Pending, Reactor};

impl Reactor {
    /// The instance for a new connection of a plugin, made if need be.
    pub(super) fn instance_for(&mut self, plugin: usize) -> Result<InstanceId, Unavailable> {
        if let Some(id) = self.shared[plugin] {
            return Ok(id);
        }
        let isolation = self.setup.env.host.plugins[plugin].config.isolation;
        let id = self.new_instance(plugin, None)?;
        if isolation == Isolation::Plugin {
            self.shared[plugin] = Some(id);
            self.deliver(id, Event::Prepare);
            self.deliver(id, Event::Start);
            return self.shared[plugin].ok_or(Unavailable::Ended);
        }
        Ok(id)
    }

    /// A new instance, which is made when its first event is delivered.
    pub(super) fn new_instance(
        &mut self,
        plugin: usize,
        role: Option<Role>,
    ) -> Result<InstanceId, Unavailable> {
        let plugin = self.setup.env.host.plugins[plugin].clone();
        if plugin.counters.is_quarantined() {
            return Err(Unavailable::Quarantined);
        }
        let slot = self.setup.quota.acquire(plugin.tenant.index).map_err(Unavailable::NoRoom)?;
        let mut state = HostState::new(plugin.clone(), self.setup.env.clone());
        if !state.memory.reserve(plugin.least_memory) {
            return Err(Unavailable::NoRoom(QuotaExceeded::TenantMemory));
        }
        state.address = Some(self.address(self.instances.next_key()));
        state.is_process = role.is_some();
        // A process and a sandbox for one connection live only while the reactor runs.
        state.running = role.is_some() || plugin.config.isolation == Isolation::Connection;
        let template = self.setup.templates[plugin.index].clone();
        let seat = Seat::Empty(template, Box::new(state));
        let mut instance = Instance::new(plugin, seat, slot);
        instance.role = role;
        Ok(self.instances.insert(instance))
    }

    pub(super) fn address(&self, instance: InstanceId) -> Address {
        Address { reactor: self.setup.index, post: self.inbox.post(), instance }
    }

    /// Takes over a sandbox that was made and prepared before the loop began, if there is room for it.
    pub(crate) fn adopt(&mut self, mut sandbox: Box<Sandbox>) -> Result<(), QuotaExceeded> {
        let plugin = sandbox.plugin().clone();
        let slot = self.setup.quota.acquire(plugin.tenant.index)?;
        let index = plugin.index;
        sandbox.store.data_mut().address = Some(self.address(self.instances.next_key()));
        let mut instance = Instance::new(plugin, Seat::Ready(sandbox), slot);
        // In its queue already, so that no connection gets in before it.
        instance.queue.push_back(Event::Start);
        let id = self.instances.insert(instance);
        self.shared[index] = Some(id);
        self.had_programs = true;
        self.pending.push_back(Pending::Start(id));
        Ok(())
    }

    /// Delivers an event, at once if the instance is idle.
    pub(super) fn deliver(&mut self, id: InstanceId, event: Event) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.queue.push_back(event);
        self.pump(id);
    }

    /// Delivers what waits, until the instance is suspended or gone.
    pub(super) fn pump(&mut self, id: InstanceId) {
        loop {
            let Some(instance) = self.instances.get_mut(id) else { return };
            if !instance.is_idle() || instance.queue.is_empty() {
                return;
            }
            let tenant = &instance.plugin.tenant;
            if tenant.must_wait(&self.setup.env.clock)
                || self.fair_share.has_used_its_share(tenant.index)
            {
                if !std::mem::replace(&mut instance.waits, true) {
                    self.waiting.push_back(id);
                }
                return;
            }
            let Some(event) = instance.queue.pop_front() else { return };
            if let Some(task) = self.task_of(id, event) {
                self.enter(id, task);
            }
        }
    }

    pub(super) fn finish(&mut self, id: InstanceId, finished: Finished) {
        let overdue = self.instances.get_mut(id).and_then(|instance| instance.overdue.take());
        if let Some(key) = overdue {
            self.timers.cancel(key);
        }
        let Finished { sandbox, mut task, result } = finished;
        if let Task::Data { buffer, .. } = &mut task {
            self.buffer = Some(std::mem::take(buffer));
        }
        match (sandbox, result) {
            (Some(mut sandbox), Ok(outcome)) => {
                self.log_refused_memory(id, &task, sandbox.refused_memory());
                let commands = sandbox.store.data_mut().commands.take();
                let Some(instance) = self.instances.get_mut(id) else { return };
                instance.state = InstanceState::Idle(Seat::Ready(sandbox));
                // One that has to wait gets them back when it need not.
                let waits = instance.is_downstream_full()
                    || instance.plugin.tenant.must_not_read(&self.setup.env.clock);
                if !waits {
                    self.ready.extend(instance.stalled.drain(..));
                } else if !instance.stalled.is_empty() {
                    self.pressed.push(id);
                }
                for command in commands {
                    self.apply(id, command);
                }
                self.on_return(id, &task, outcome);
            }
            (_, Err(trapped)) => self.trapped(id, &task, &trapped),
            (None, Ok(_)) => debug_assert!(false, "a call that went well has its sandbox"),
        }
    }

    /// A guest that was refused memory and went on all the same.
    fn log_refused_memory(&self, id: InstanceId, task: &Task, limit: Option<&'static str>) {
        let Some((limit, instance)) = limit.zip(self.instances.get(id)) else { return };
        let now = self.setup.env.clock.now();
        let value = instance.plugin.shown(limit).unwrap_or_default();
        instance.plugin.at_limit(now, limit, &value, || self.subject(id, task.connection()));
    }

    fn apply(&mut self, id: InstanceId, command: Command) {
        match command {
            Command::Reconcile { id } => self.reconcile(id),
            Command::Connect { permit, lookup, target, token } => {
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.pending_connects += 1;
                }
                let instance = id;
                self.pending.push_back(Pending::Connect {
                    permit,
                    lookup,
                    instance,
                    target,
                    token,
                });
            }
            Command::SetTimer { id: timer, deadline, every } => {
                let key = self.timers.insert(deadline, super::Purpose::Guest(id, timer));
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.timers.insert(timer, GuestTimer { key: Some(key), every });
                }
            }
            Command::CancelTimer { id: timer } => {
                let instance = self.instances.get_mut(id);
                let removed = instance.and_then(|instance| instance.timers.remove(&timer));
                if let Some(key) = removed.and_then(|timer| timer.key) {
                    self.timers.cancel(key);
                }
            }
            Command::Tick { id: tick } => self.ticks.push_back((id, tick)),
            Command::Spawn { process, plugin, name, argument } => {
                let birth = Birth { process, parent: id, plugin, name, argument };
                self.pending.push_back(Pending::Spawn(birth));
            }
            Command::Kill { process } => self.kill(id, process),
            Command::Exit => self.exit(id),
            Command::Stop => self.stop_everywhere(),
        }
    }

    /// What the host does after a callback.
    fn on_return(&mut self, id: InstanceId, task: &Task, outcome: Outcome) {
        match (task, outcome) {
            (Task::Open { connection, .. }, Outcome::Opened(object, socket)) => {
                if let Some(entry) = self.connections.get_mut(*connection) {
                    entry.object = Some(object);
                    entry.socket = socket;
                }
            }
            (Task::Unbind { connection, .. }, _) => self.remove_connection(*connection),
            (Task::Timer { id: timer }, _) => self.rearm(id, *timer),
            (Task::Prepare | Task::Start, Outcome::Refused(reason)) => {
                self.start_refused(id, task.name(), &reason);
            }
            (Task::Spawned { .. }, Outcome::Refused(reason)) => {
                self.start_refused(id, task.name(), &reason);
            }
            _ => {}
        }
    }

    /// A guest's deadline has passed.
    pub(super) fn guest_timer_due(&mut self, id: InstanceId, timer: u32) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let Some(timer) = instance.timers.get_mut(&timer) {
            timer.key = None;
        }
        self.deliver(id, Event::Timer(timer));
    }

    /// A periodic timer is due again so long after its callback has returned.
    fn rearm(&mut self, id: InstanceId, timer: u32) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(GuestTimer { key, every: Some(every) }) = instance.timers.get_mut(&timer) else {
            return;
        };
        let deadline = (self.setup.env.clock.now() + *every).on_grid();
        *key = Some(self.timers.insert(deadline, super::Purpose::Guest(id, timer)));
    }

    /// Ends the sandbox of one connection when it has no more.
    pub(super) fn end_if_unused(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        let single = instance.plugin.config.isolation == Isolation::Connection;
        let is_process = instance.role.is_some();
        if single
            && !is_process
            && instance.connections.is_empty()
            && instance.pending_connects == 0
        {
            self.end_instance(id);
        }
    }

    /// Delivers what waited for its tenant's CPU time, or for a turn in which it has not had its share.
    pub(super) fn release_waiting(&mut self) {
        for id in std::mem::take(&mut self.waiting) {
            // One that still has to wait queues again.
            if let Some(instance) = self.instances.get_mut(id) {
                instance.waits = false;
            }
            self.pump(id);
        }
    }

    /// Reads from the connections of instances that had to wait and need not any more.
    pub(super) fn release_pressed(&mut self) {
        let now = self.setup.env.clock.now();
        for id in std::mem::take(&mut self.pressed) {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            if instance.plugin.tenant.must_not_read(&self.setup.env.clock) {
                self.pressed.push(id);
                continue;
            }
            let since = instance.downstream_full_since.unwrap_or(now);
            if instance.is_downstream_full() && now.since(since) < DOWNSTREAM_FULL_MAX {
                self.pressed.push(id);
                continue;
            }
            self.ready.extend(instance.stalled.drain(..));
        }
    }

    /// Reads from a connection once its instance may be read for again.
    pub(super) fn stall(&mut self, id: InstanceId, connection: ConnectionId) {
        let waits = self.connections.get_mut(connection).is_none_or(|entry| {
            // Waiting here and being ready are one.
            std::mem::replace(&mut entry.is_ready, true)
        });
        if !waits && let Some(instance) = self.instances.get_mut(id) {
            instance.stalled.push(connection);
        }
    }
}
