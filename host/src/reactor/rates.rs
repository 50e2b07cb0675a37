//! Waits for a tenant's rates, for room in the downstream of an instance, and for the next turn.

use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::plugin::tenant::Tenant;
use crate::reactor::table::backlog::Rate;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::instance::Instance;
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{Reactor, UNITS_PER_PHASE};

/// How long an instance is not read because its downstream is full. After that one of its connections is read, so that an
/// instance that keeps its own downstream full still notices the ends of its connections.
const REPRIEVE_AFTER: Duration = Duration::from_secs(1);

impl Reactor {
    /// Delays the events of an instance until its tenant has CPU time.
    pub(super) fn wait_for_cpu(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let tenant = instance.plugin.tenant.index;
        if !std::mem::replace(&mut instance.waits.events, true)
            && let Some(waits) = self.backlog.of(tenant)
        {
            waits.cpu.waiting.push(id);
        }
        self.set_replenished(tenant, Rate::Cpu);
    }

    /// Delays the events of an instance until the next turn.
    pub(super) fn wait_for_the_next_turn(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if !std::mem::replace(&mut instance.waits.events, true) {
            self.agenda.waiting.push(instance.plugin.tenant.index, id);
        }
    }

    /// Delays reading the connections of an instance until its tenant may read.
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

    /// Delays writing a connection until its tenant may write.
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

    /// Sets the deadline at which a rate of a tenant is replenished, unless it is set.
    fn set_replenished(&mut self, tenant: usize, rate: Rate) {
        let now = self.setup.env.clock.now();
        let known = self.setup.env.host.tenant(tenant);
        let Some(due) = known.map(|tenant| replenished(&tenant, rate, now)) else { return };
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

    /// A rate of a tenant is replenished: whatever waits for it continues, and waits again if necessary.
    pub(super) fn replenished(&mut self, tenant: usize, rate: Rate) {
        let Some(waits) = self.backlog.of(tenant) else { return };
        match rate {
            Rate::Cpu => {
                let waiting = waits.cpu.take();
                self.agenda.waiting.extend(tenant, waiting);
            }
            Rate::Reading => {
                let waiting = waits.reading.take();
                self.agenda.stalled.extend(tenant, waiting);
            }
            Rate::Writing => {
                for id in waits.writing.take() {
                    if let Some(entry) = self.connections.get_mut(id) {
                        entry.waits_to_write = false;
                    }
                    self.agenda.writes.push(tenant, id);
                }
            }
        }
    }

    /// Begins the phase of instances that had to wait.
    pub(super) fn begin_waiting(&mut self) -> TurnPhase {
        let waits = self.agenda.waiting.begin_phase(UNITS_PER_PHASE);
        let stalls = self.agenda.stalled.begin_phase(UNITS_PER_PHASE);
        if waits || stalls { TurnPhase::Waiting } else { self.begin_mail() }
    }

    /// Continues the next instance that had to wait: its events and commands, or its stalled connections.
    pub(super) fn go_on_waiting(&mut self) -> TurnPhase {
        let (agenda, fair_share) = (&mut self.agenda, &mut self.fair_share);
        let mut waits = |part, tenant| fair_share.passes_over(part, tenant);
        if let Some((_, id)) = agenda.waiting.next(|tenant| waits(TurnPart::Waiting, tenant)) {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.waits.events = false;
                self.agenda.runnable.push_back(id);
            }
        } else if let Some((tenant, id)) =
            agenda.stalled.next(|tenant| waits(TurnPart::Stalled, tenant))
        {
            self.charged(tenant, |reactor| reactor.read_stalled(id));
        } else {
            return self.begin_mail();
        }
        TurnPhase::Waiting
    }

    /// Reads the stalled connections of an instance, unless its tenant still may not read.
    fn read_stalled(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.waits.reading = false;
        if instance.stalled.is_empty() {
            return;
        }
        if instance.plugin.tenant.must_not_read(&self.setup.env.clock) {
            self.wait_to_read(id);
        } else {
            self.end_stall(id);
        }
    }

    /// Whether an instance is not read because its downstream is full. This reactor is woken when there is room.
    pub(super) fn waits_for_room(&mut self, id: InstanceId) -> bool {
        let now = self.setup.env.clock.turn();
        let bell = self.inbox.waker();
        let Some(instance) = self.instances.get_mut(id) else { return true };
        if !instance.awaits_room(bell) {
            self.has_room(id);
            return false;
        }
        if std::mem::take(&mut instance.is_reprieved) {
            // One read is allowed; then it waits again.
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

    /// The downstream of an instance has room.
    fn has_room(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.is_reprieved = false;
        if let Some(key) = instance.reprieve.take() {
            self.timers.cancel(key);
        }
    }

    /// Allows one read although the downstream of an instance is still full.
    pub(super) fn reprieve(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.reprieve = None;
        instance.is_reprieved = true;
        self.end_stall(id);
    }

    /// Continues the instances whose downstream has room now, up to the bound of a turn.
    pub(super) fn look_for_room(&mut self) {
        for id in self.backlog.take_waiting_for_room(UNITS_PER_PHASE) {
            self.count_unit();
            let Some(instance) = self.instances.get_mut(id) else { continue };
            let tenant = instance.plugin.tenant.index;
            instance.waits.room = false;
            self.charged(tenant, |reactor| reactor.read_if_it_has_room(id));
        }
    }

    fn read_if_it_has_room(&mut self, id: InstanceId) {
        // An instance in a call is checked again when that has returned.
        let is_idle = self.instances.get(id).is_some_and(Instance::is_idle);
        if !is_idle || !self.waits_for_room(id) {
            self.end_stall(id);
        }
    }
}

/// The time at which a rate of a tenant is replenished.
fn replenished(tenant: &Tenant, rate: Rate, now: Moment) -> Moment {
    let bucket = match rate {
        Rate::Cpu => &tenant.cpu,
        Rate::Reading if tenant.cpu.is_empty(now) => &tenant.cpu,
        Rate::Reading => &tenant.reading,
        Rate::Writing => &tenant.writing,
    };
    bucket.worth_waiting_for(now)
}
