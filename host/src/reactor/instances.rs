//! Instances: creation, delivery of events, and their guests' timers.

use std::sync::Arc;

use crate::base::arena::InstanceId;
use crate::config::model::Isolation;
use crate::engine::call::Seat;
use crate::engine::event::Event;
use crate::engine::sandbox::Sandbox;
use crate::host_api::state::HostState;
use crate::mail::message::Message;
use crate::mail::post::Address;
use crate::plugin::Plugin;
use crate::quota::instances::QuotaExceeded;
use crate::reactor::Reactor;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::instance::{GuestTimer, Instance, Unavailable};
use crate::reactor::table::instance_queue::QueueItem;
use crate::reactor::table::pending::Pending;
use crate::reactor::table::process::Role;

impl Reactor {
    /// The instance for a new connection of a plugin, created if necessary. A shared one gets its start event; whether it starts
    /// is known when it has been entered.
    pub(super) fn instance_for(&mut self, plugin: usize) -> Result<InstanceId, Unavailable> {
        if let Some(id) = self.programs.shared(plugin) {
            return Ok(id);
        }
        let isolation = self.plugin(plugin).ok_or(Unavailable::Gone)?.config.isolation;
        let id = self.new_instance(plugin, None)?;
        if isolation == Isolation::Plugin {
            self.programs.share(plugin, id);
            self.deliver(id, Event::Prepare);
            self.deliver(id, Event::Start);
        }
        Ok(id)
    }

    /// A new instance. Its sandbox is made when the first event is delivered.
    pub(super) fn new_instance(
        &mut self,
        plugin: usize,
        role: Option<Role>,
    ) -> Result<InstanceId, Unavailable> {
        let template = self.setup.templates.get(plugin).ok_or(Unavailable::Gone)?.clone();
        let plugin = template.plugin.clone();
        if plugin.counters.is_held_back() {
            return Err(Unavailable::Quarantined);
        }
        let slot = self.setup.quota.acquire(plugin.tenant.index).map_err(Unavailable::NoRoom)?;
        let mut state = HostState::new(plugin.clone(), self.setup.env.clone());
        if !state.memory.reserve(plugin.least_memory) {
            return Err(Unavailable::NoRoom(QuotaExceeded::TenantMemory));
        }
        state.address = Some(self.address(self.instances.next_key()));
        state.is_process = role.is_some();
        state.cluster_pid = role.as_ref().and_then(Role::cluster_pid);
        // Processes and sandboxes of one connection exist only while the reactor runs.
        state.running = role.is_some() || plugin.config.isolation == Isolation::Connection;
        state.is_looked_ahead_for |= self.is_about_to_look_ahead();
        let seat = Seat::Empty(template, Box::new(state));
        let mut instance = Instance::new(plugin, seat, slot);
        instance.role = role;
        Ok(self.instances.insert(instance))
    }

    /// The current version of the plugin with an index.
    pub(super) fn plugin(&self, place: usize) -> Option<&Arc<Plugin>> {
        self.setup.templates.get(place).map(|template| &template.plugin)
    }

    pub(super) fn address(&self, instance: InstanceId) -> Address {
        Address { reactor: self.setup.index, post: self.inbox.post(), instance }
    }

    /// Takes over a sandbox that was made and prepared before the loop began, if there is room for it.
    pub(crate) fn adopt(&mut self, sandbox: Box<Sandbox>) -> Result<(), QuotaExceeded> {
        self.adopt_with(sandbox, None)
    }

    /// Does the same for one that begins with the state of the previous version.
    pub(super) fn adopt_with(
        &mut self,
        mut sandbox: Box<Sandbox>,
        state: Option<Arc<Message>>,
    ) -> Result<(), QuotaExceeded> {
        let plugin = sandbox.plugin().clone();
        let slot = self.setup.quota.acquire(plugin.tenant.index)?;
        let (index, tenant) = (plugin.index, plugin.tenant.index);
        sandbox.store.data_mut().address = Some(self.address(self.instances.next_key()));
        let mut instance = Instance::new(plugin, Seat::Ready(sandbox), slot);
        if let Some(state) = &state {
            instance.push(QueueItem::Event(Event::Restore(state.clone())));
        }
        // In its queue already, so that no connection gets in before it.
        instance.push(QueueItem::Event(Event::Start));
        let id = self.instances.insert(instance);
        self.programs.share(index, id);
        if let Some(state) = state {
            self.programs.begin_restoring(index, id, state);
        }
        self.programs.had_any = true;
        self.agenda.pending.push(tenant, Pending::Start(id));
        Ok(())
    }

    /// Queues an event for an instance, which is entered before the phase continues if it is idle.
    pub(super) fn deliver(&mut self, id: InstanceId, event: Event) {
        self.enqueue(id, QueueItem::Event(event));
    }

    /// Queues an item for an instance, as [`Reactor::deliver`] does.
    pub(super) fn enqueue(&mut self, id: InstanceId, item: QueueItem) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.push(item);
        self.agenda.runnable.push_back(id);
        self.count_unit();
    }

    /// A guest's timer is due.
    pub(super) fn guest_timer_due(&mut self, id: InstanceId, timer: u32) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let Some(timer) = instance.timers.get_mut(&timer) {
            timer.key = None;
        }
        self.deliver(id, Event::Timer(timer));
    }

    /// Sets a periodic timer again: the next period begins when the callback has returned.
    pub(super) fn rearm(&mut self, id: InstanceId, timer: u32) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let owner = Owner::Tenant(instance.plugin.tenant.index);
        let Some(GuestTimer { key, every: Some(every) }) = instance.timers.get_mut(&timer) else {
            return;
        };
        let deadline = (self.setup.env.clock.now() + *every).on_grid();
        *key = Some(self.timers.insert(owner, deadline, Purpose::Guest(id, timer)));
    }

    /// Ends a sandbox of one connection when it has no connection left.
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
}
