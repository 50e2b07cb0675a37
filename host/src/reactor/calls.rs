//! Calls into instances: begun here, and gone on with in the slow lane when they outlive their first slice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use super::instances::State;
use super::timers::Purpose;
use super::{InstanceId, Reactor};
use crate::lane::Start;
use crate::plugin::evidence::Ended;
use crate::plugin::sandbox::{self, Call, Finished, Task};
use crate::tenant::Tenant;

impl Reactor {
    /// Hands a task to an idle instance.
    pub(super) fn enter(&mut self, id: InstanceId, task: Task) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match std::mem::replace(&mut instance.state, State::Entered) {
            State::Idle(seat) => {
                let call: Call = Box::pin(sandbox::run(seat, task));
                let tenant = instance.plugin.tenant.index;
                if self.shares.is_slow(tenant, self.setup.home.clock.turn()) {
                    // The callback gets its budget when it begins.
                    let slices = instance.plugin.slices_per_event;
                    return self.send_away(id, call, slices);
                }
                self.begin(id, call);
            }
            other => {
                debug_assert!(false, "only an idle instance is entered");
                instance.state = other;
            }
        }
    }

    /// Polls a call for the first time. One that is not over goes on in the slow lane, whether it has used up its slice or
    /// waits for something: which of them it is shows there.
    fn begin(&mut self, id: InstanceId, mut call: Call) {
        match self.poll_counted(id, &mut call) {
            Poll::Ready(finished) => self.finish(id, finished),
            Poll::Pending => {
                let Some(instance) = self.instances.get_mut(id) else { return };
                let slices = instance.slices_left.load(Ordering::Relaxed);
                self.send_away(id, call, slices);
            }
        }
    }

    /// A call goes on in the slow lane.
    fn send_away(&mut self, id: InstanceId, call: Call, slices: u32) {
        let address = self.address(id);
        let Some(instance) = self.instances.get_mut(id) else { return };
        let plugin = instance.plugin.clone();
        let slices_left = instance.slices_left.clone();
        let ride = self.setup.lane.take(Start { call, plugin, address, slices_left, slices });
        instance.state = State::Away(ride);
        self.watch(id);
    }

    /// A call has come back from the slow lane.
    pub(super) fn returned(&mut self, id: InstanceId, finished: Finished) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let State::Away(ride) = std::mem::replace(&mut instance.state, State::Entered) {
            let now = self.setup.home.clock.now();
            self.shares.used_in_the_lane(instance.plugin.tenant.index, ride.used(), now);
        }
        self.finish(id, finished);
        self.pump(id);
    }

    /// Sets the deadline of a call that does not come to its end at once.
    fn watch(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.overdue.is_none() {
            let now = self.setup.home.clock.now();
            let deadline = now + instance.plugin.config.limits.event_deadline;
            instance.overdue = Some(self.timers.insert(deadline, Purpose::Overdue(id)));
        }
    }

    /// Polls a call, and takes the time from its tenant's account and from its share of the turn.
    fn poll_counted(&mut self, id: InstanceId, call: &mut Call) -> Poll<Finished> {
        let poll = |call: &mut Call| {
            let _entered = self.setup.activity.enter();
            call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        let tenant = self.instances.get(id).map(|instance| instance.plugin.tenant.clone());
        let counts = |tenant: &Arc<Tenant>| tenant.cpu.is_some() || self.shares.matter();
        let Some(tenant) = tenant.filter(counts) else { return poll(call) };
        let begun = self.setup.home.clock.now();
        let polled = poll(call);
        let now = self.setup.home.clock.now();
        if let Some(cpu) = &tenant.cpu {
            cpu.take_time(now.since(begun));
        }
        self.shares.spend(tenant.index, now.since(begun), now);
        polled
    }

    /// A suspended call has used up its time: its guest ends where it stands.
    pub(super) fn overdue(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let plugin = instance.plugin.clone();
        if matches!(&instance.state, State::Away(ride) if !ride.waits()) {
            // It does not sleep but waits for its turn: `cpu_per_event` is what bounds it.
            let deadline = self.setup.home.clock.now() + plugin.config.limits.event_deadline;
            instance.overdue = Some(self.timers.insert(deadline, Purpose::Overdue(id)));
            return;
        }
        instance.overdue = None;
        let was_program = instance.started;
        let subject = self.subject(id, None);
        plugin.ended(
            self.setup.home.clock.now(),
            &Ended {
                what: "an event took too long: its instance has ended",
                event: "",
                handler: subject.as_ref().map(|(_, handler)| &**handler),
                connection: subject.as_ref().map(|(number, _)| *number),
                operation: None,
                limit: Some("event_deadline"),
                cause: None,
                backtrace: None,
            },
        );
        self.end_instance(id);
        if was_program {
            self.restart_later(plugin.index);
        }
    }
}
