//! Calls into instances: begun here, and gone on with in the slow lane when they outlive their first slice.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::engine::sandbox;
use crate::engine::sandbox::{Call, Finished};
use crate::engine::task::Task;
use crate::plugin::report::Ended;
use crate::reactor::Reactor;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::guest_entry::{GuestEntry, GuestReturn};
use crate::reactor::table::instance::InstanceState;
use crate::workers::slow_call::Start;

/// How soon it is looked again, at the soonest, whether a call that computes has waited for too long.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);

impl Reactor {
    /// The guest that is entered before the phase goes on: of the instance that was told something first, until nothing
    /// waits for it any more or it has to wait.
    pub(super) fn next_entry(&mut self) -> Option<GuestEntry> {
        if let Some(entry) = self.entry.take() {
            return Some(entry);
        }
        while let Some(&id) = self.agenda.runnable.front() {
            let Some(task) = self.next_task(id) else {
                self.agenda.runnable.pop_front();
                continue;
            };
            match task {
                // What it was about is gone: the next of its events is looked at.
                None => {}
                Some(task) => {
                    if let Some(entry) = self.begin(id, task) {
                        return Some(entry);
                    }
                }
            }
        }
        None
    }

    /// The next event of an instance, and what it means by now; none when there is none, or it is not its turn.
    fn next_task(&mut self, id: InstanceId) -> Option<Option<Task>> {
        let instance = self.instances.get(id)?;
        if !instance.is_idle() || instance.queued() == 0 {
            return None;
        }
        let tenant = &instance.plugin.tenant;
        if tenant.must_wait(&self.setup.env.clock) {
            self.wait_for_cpu(id);
            return None;
        }
        if self.fair_share.has_used_its_share(tenant.index) {
            self.wait_for_the_next_turn(id);
            return None;
        }
        let event = self.instances.get_mut(id)?.queue.pop_front()?;
        Some(self.task_of(id, event))
    }

    /// Has an idle instance be entered with this before anything else happens.
    pub(super) fn enter_next(&mut self, id: InstanceId, task: Task) {
        debug_assert!(self.entry.is_none(), "one guest is entered at a time");
        self.entry = self.begin(id, task);
        self.agenda.runnable.push_front(id);
    }

    /// Takes the sandbox out of an idle instance; none when the call begins in the slow lane.
    fn begin(&mut self, id: InstanceId, task: Task) -> Option<GuestEntry> {
        let instance = self.instances.get_mut(id)?;
        let seat = match std::mem::replace(&mut instance.state, InstanceState::Entered) {
            InstanceState::Idle(seat) => seat,
            other => {
                debug_assert!(false, "only an idle instance is entered");
                instance.state = other;
                return None;
            }
        };
        let plugin = instance.plugin.clone();
        let call: Call = Box::pin(sandbox::run(seat, task));
        if self.fair_share.is_slow(plugin.tenant.index, self.setup.env.clock.turn()) {
            // The callback gets its budget when it begins.
            self.send_away(id, call, plugin.slices_per_event);
            return None;
        }
        let is_measured = plugin.tenant.cpu.is_some() || self.fair_share.is_contended();
        Some(GuestEntry { instance: id, call, is_measured })
    }

    /// A guest has been entered. A call that is not over goes on in the slow lane, whether it has used up its slice or
    /// waits for something: which of them it is shows there.
    pub fn returned(&mut self, returned: GuestReturn) {
        let GuestReturn { instance: id, call, used } = returned;
        if let Some(used) = used {
            self.charge(id, used);
        }
        match call {
            Ok(finished) => self.finish(id, finished),
            Err(call) => {
                let Some(instance) = self.instances.get_mut(id) else { return };
                let slices = instance.slices_left.load(Ordering::Relaxed);
                self.send_away(id, call, slices);
            }
        }
    }

    /// Works for a tenant, which has the less of this turn for it.
    pub(super) fn charged<T>(&mut self, tenant: usize, work: impl FnOnce(&mut Reactor) -> T) -> T {
        if !self.fair_share.is_contended() {
            return work(self);
        }
        let begun = self.setup.env.clock.now();
        let done = work(self);
        self.fair_share.charge_work(tenant, self.setup.env.clock.now().since(begun));
        done
    }

    /// Takes time from a tenant's account and from its share of the turn.
    fn charge(&mut self, id: InstanceId, used: Duration) {
        let Some(instance) = self.instances.get(id) else { return };
        let (plugin, now) = (instance.plugin.clone(), self.setup.env.clock.now());
        plugin.use_cpu(used, now, || self.subject(id, None));
        self.fair_share.charge(plugin.tenant.index, used, now);
    }

    /// A call goes on in the slow lane.
    fn send_away(&mut self, id: InstanceId, call: Call, slices: u32) {
        let (post, returns) = (self.inbox.post(), self.inbox.returns());
        let Some(instance) = self.instances.get_mut(id) else { return };
        let plugin = instance.plugin.clone();
        let slices_left = instance.slices_left.clone();
        let call = self.setup.slow_lane.take(Start {
            call,
            plugin,
            instance: id,
            post,
            returns,
            slices_left,
            slices,
        });
        instance.state = InstanceState::Away(call);
        self.watch(id);
    }

    /// A call has come back from the slow lane.
    pub(super) fn returned_from_the_lane(&mut self, id: InstanceId, finished: Finished) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let InstanceState::Away(call) =
            std::mem::replace(&mut instance.state, InstanceState::Entered)
        {
            let now = self.setup.env.clock.now();
            self.fair_share.used_in_the_lane(instance.plugin.tenant.index, call.used(), now);
        }
        self.finish(id, finished);
        self.agenda.runnable.push_back(id);
    }

    /// Sets the deadline of a call that does not come to its end at once.
    fn watch(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.overdue.is_none() {
            let now = self.setup.env.clock.now();
            let deadline = now + instance.plugin.config.limits.event_deadline;
            instance.overdue =
                Some(self.timers.insert(Owner::Host, deadline, Purpose::Overdue(id)));
        }
    }

    /// A call may have waited for as long as it may: then its guest ends where it stands.
    ///
    /// Only the time counts in which it waits for something, over the whole event. While it computes or waits for its
    /// turn, `cpu_per_event` is what bounds it, and a neighbour that takes the turns must not be its end.
    pub(super) fn overdue(&mut self, id: InstanceId) {
        let now = self.setup.env.clock.now();
        let Some(instance) = self.instances.get_mut(id) else { return };
        let plugin = instance.plugin.clone();
        let InstanceState::Away(call) = &instance.state else { return };
        let left = plugin.config.limits.event_deadline.saturating_sub(call.waited(now));
        if !left.is_zero() {
            instance.overdue = Some(self.timers.insert(
                Owner::Host,
                now + left.max(LOOK_AGAIN_AFTER),
                Purpose::Overdue(id),
            ));
            return;
        }
        instance.overdue = None;
        let was_program = instance.started;
        let subject = self.subject(id, None);
        plugin.ended(
            now,
            &Ended {
                what: "an event took too long: its instance has ended",
                event: "",
                handler: subject.as_ref().map(|(_, handler)| handler),
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
