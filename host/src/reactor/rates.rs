//! Waits for what a tenant may use in a second, for room in what an instance fills, and for the next turn.

use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::plugin::tenant::Tenant;
use crate::reactor::Reactor;
use crate::reactor::table::backlog::Rate;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::turn_part::TurnPart;

/// How long an instance is not read because what it fills is full. Then one of its connections is read: one that keeps
/// itself full must not keep them from ending.
const REPRIEVE_AFTER: Duration = Duration::from_secs(1);

impl Reactor {
    /// Has the events of an instance wait until its tenant has CPU time.
    pub(super) fn wait_for_cpu(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let tenant = instance.plugin.tenant.index;
        let is_served = std::mem::take(&mut instance.waits.is_served);
        if !std::mem::replace(&mut instance.waits.events, true)
            && let Some(waits) = self.backlog.of(tenant)
        {
            waits.cpu.waiting.push(id, is_served);
        }
        self.set_replenished(tenant, Rate::Cpu);
    }

    /// Has the events of an instance wait until its tenant has its share of the next turn.
    pub(super) fn wait_for_the_next_turn(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let is_served = std::mem::take(&mut instance.waits.is_served);
        if !std::mem::replace(&mut instance.waits.events, true) {
            self.backlog.next_turn.push(id, is_served);
        }
    }

    /// Has the connections of an instance wait until its tenant may read.
    pub(super) fn wait_to_read(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let tenant = instance.plugin.tenant.index;
        if !std::mem::replace(&mut instance.waits.reading, true)
            && let Some(waits) = self.backlog.of(tenant)
        {
            waits.reading.waiting.push(id);
        }
        self.set_replenished(tenant, Rate::Reading);
    }

    /// Has a connection wait until its tenant may write more.
    pub(super) fn wait_to_write(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let Some(instance) = self.instances.get(entry.instance) else { return };
        let tenant = instance.plugin.tenant.index;
        if !std::mem::replace(&mut entry.waits_to_write, true)
            && let Some(waits) = self.backlog.of(tenant)
        {
            waits.writing.waiting.push(id);
        }
        self.set_replenished(tenant, Rate::Writing);
    }

    /// Sets the deadline at which a tenant may use more, unless it is set.
    fn set_replenished(&mut self, tenant: usize, rate: Rate) {
        let now = self.setup.env.clock.now();
        let host = self.setup.env.host.clone();
        let Some(due) = host.tenants.get(tenant).map(|tenant| replenished(tenant, rate, now))
        else {
            return;
        };
        let Some(waits) = self.backlog.of(tenant) else { return };
        let deadline = match rate {
            Rate::Cpu => &mut waits.cpu.deadline,
            Rate::Reading => &mut waits.reading.deadline,
            Rate::Writing => &mut waits.writing.deadline,
        };
        if deadline.is_none() {
            *deadline =
                Some(self.timers.insert(Owner::Host, due, Purpose::Replenished(tenant, rate)));
        }
    }

    /// A tenant may use more: what waited for that goes on. What still has to wait waits again.
    pub(super) fn replenished(&mut self, tenant: usize, rate: Rate) {
        let Some(waits) = self.backlog.of(tenant) else { return };
        match rate {
            Rate::Cpu => {
                let mut wait = std::mem::take(&mut waits.cpu);
                wait.waiting.take().for_each(|id| self.run_again(id));
            }
            Rate::Reading => {
                for id in std::mem::take(&mut waits.reading).waiting {
                    if let Some(instance) = self.instances.get_mut(id) {
                        instance.waits.reading = false;
                    }
                    self.end_stall(id);
                }
            }
            Rate::Writing => {
                for id in std::mem::take(&mut waits.writing).waiting {
                    if let Some(entry) = self.connections.get_mut(id) {
                        entry.waits_to_write = false;
                    }
                    self.agenda.writes.push(tenant, id);
                }
            }
        }
    }

    /// The events of an instance need not wait any more.
    fn run_again(&mut self, id: InstanceId) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.waits.events = false;
            self.agenda.runnable.push_back(id);
        }
    }

    /// Whether the events of an instance, which have waited for this turn, wait for another.
    fn events_wait(&mut self, id: InstanceId) -> bool {
        let Some(instance) = self.instances.get(id) else { return false };
        self.fair_share.passes_over(TurnPart::Waiting, instance.plugin.tenant.index)
    }

    /// Whether an instance is not to be read because what it fills is full. Whoever makes room wakes this reactor.
    pub(super) fn waits_for_room(&mut self, id: InstanceId) -> bool {
        let now = self.setup.env.clock.turn();
        let bell = self.inbox.waker();
        let Some(instance) = self.instances.get_mut(id) else { return true };
        if !instance.awaits_room(bell) {
            self.has_room(id);
            return false;
        }
        if std::mem::take(&mut instance.is_reprieved) {
            // One read, then it waits as before.
            return false;
        }
        if instance.reprieve.is_none() {
            let deadline = now + REPRIEVE_AFTER;
            instance.reprieve =
                Some(self.timers.insert(Owner::Host, deadline, Purpose::Reprieve(id)));
        }
        if !std::mem::replace(&mut instance.waits.room, true) {
            self.backlog.wait_for_room(id);
        }
        true
    }

    /// What an instance fills has room.
    fn has_room(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.is_reprieved = false;
        if let Some(key) = instance.reprieve.take() {
            self.timers.cancel(key);
        }
    }

    /// An instance has not been read for long enough, although what it fills is still full.
    pub(super) fn reprieve(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.reprieve = None;
        instance.is_reprieved = true;
        self.end_stall(id);
    }

    /// Goes on with what waited for this turn, or for room that there is now.
    pub(super) fn release_waiting(&mut self) {
        for id in self.backlog.next_turn.take() {
            if self.events_wait(id) {
                self.backlog.next_turn.push(id, false);
            } else {
                self.run_again(id);
            }
        }
        for id in self.backlog.take_waiting_for_room() {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            instance.waits.room = false;
            // What is in the middle of a call looks again when that has returned.
            if !instance.is_idle() || !self.waits_for_room(id) {
                self.end_stall(id);
            }
        }
    }
}

/// When a tenant may use more.
fn replenished(tenant: &Tenant, rate: Rate, now: Moment) -> Moment {
    let cpu = tenant.cpu.as_ref();
    let bucket = match rate {
        Rate::Cpu => cpu,
        Rate::Reading => match cpu.filter(|cpu| cpu.is_empty(now)) {
            Some(cpu) => Some(cpu),
            None => tenant.reading.as_ref(),
        },
        Rate::Writing => tenant.writing.as_deref(),
    };
    bucket.map_or(now, |bucket| bucket.worth_waiting_for(now))
}
