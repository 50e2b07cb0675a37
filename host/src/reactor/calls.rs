//! Calls into instances: begun here, and gone on with in the slow lane when they outlive their first slice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::engine::sandbox;
use crate::engine::sandbox::{Call, Finished};
use crate::engine::task::Task;
use crate::plugin::Plugin;
use crate::plugin::report::Ended;
use crate::reactor::Reactor;
use crate::reactor::table::deadline::Purpose;
use crate::reactor::table::instance::InstanceState;
use crate::workers::slow_call::Start;

/// How soon it is looked again, at the soonest, whether a call that computes has waited for too long.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);

impl Reactor {
    /// Hands a task to an idle instance.
    pub(super) fn enter(&mut self, id: InstanceId, task: Task) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match std::mem::replace(&mut instance.state, InstanceState::Entered) {
            InstanceState::Idle(seat) => {
                let call: Call = Box::pin(sandbox::run(seat, task));
                let tenant = instance.plugin.tenant.index;
                if self.fair_share.is_slow(tenant, self.setup.env.clock.turn()) {
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
    pub(super) fn returned(&mut self, id: InstanceId, finished: Finished) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let InstanceState::Away(call) =
            std::mem::replace(&mut instance.state, InstanceState::Entered)
        {
            let now = self.setup.env.clock.now();
            self.fair_share.used_in_the_lane(instance.plugin.tenant.index, call.used(), now);
        }
        self.finish(id, finished);
        self.pump(id);
    }

    /// Sets the deadline of a call that does not come to its end at once.
    fn watch(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.overdue.is_none() {
            let now = self.setup.env.clock.now();
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
        let plugin = self.instances.get(id).map(|instance| instance.plugin.clone());
        let counts =
            |plugin: &Arc<Plugin>| plugin.tenant.cpu.is_some() || self.fair_share.is_contended();
        let Some(plugin) = plugin.filter(counts) else { return poll(call) };
        let begun = self.setup.env.clock.now();
        let polled = poll(call);
        let now = self.setup.env.clock.now();
        plugin.use_cpu(now.since(begun), now, || self.subject(id, None));
        self.fair_share.charge(plugin.tenant.index, now.since(begun), now);
        polled
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
            instance.overdue =
                Some(self.timers.insert(now + left.max(LOOK_AGAIN_AFTER), Purpose::Overdue(id)));
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
