//! What is told to an instance, and what that means by the time it is its turn.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::engine::task::Task;
use crate::mail::post::Deferred;
use crate::net::connection::{CloseReason, Phase};
use crate::reactor::Reactor;
use crate::reactor::table::event::Event;

impl Reactor {
    /// What an event means by the time it is its turn; none when that is nothing any more.
    pub(super) fn task_of(&mut self, id: InstanceId, event: Event) -> Option<Task> {
        match event {
            Event::Prepare => Some(Task::Prepare),
            Event::Start => {
                self.instances.get_mut(id)?.started = true;
                Some(Task::Start)
            }
            Event::Stopping => Some(Task::Stopping),
            Event::Stopped => Some(Task::Stopped),
            Event::Open(connection) => {
                let entry = self.connections.get_mut(connection)?;
                let (shared, origin) = (entry.shared.clone(), entry.origin.take()?);
                Some(Task::Open { connection, shared, origin, constructed: false })
            }
            Event::Completed(connection) => {
                let entry = self.connections.get(connection)?;
                // Its plugin may have closed it in a `post-init` that took long.
                let closed = entry.shared.lock().phase() == Phase::Ended(CloseReason::Closed);
                let object = entry.object.filter(|_| !closed)?;
                Some(Task::Completed { connection, object })
            }
            Event::Drained(connection) => {
                let entry = self.connections.get(connection)?;
                let over = matches!(entry.shared.lock().phase(), Phase::Ended(_));
                let object = entry.object.filter(|_| !over)?;
                Some(Task::Drained { connection, object })
            }
            Event::Readable(connection) => self.delayed_read_task(connection),
            Event::Unbind(connection) => self.unbind_task(connection),
            Event::Timer(timer) => self.timer_task(id, timer),
            Event::Tick(tick) => {
                let state = self.instances.get_mut(id)?.sandbox()?.store.data_mut();
                state.ticks -= 1;
                Some(Task::Tick { id: tick })
            }
            Event::Deferred(Deferred { job, outcome, .. }) => {
                let state = self.instances.get_mut(id)?.sandbox()?.store.data_mut();
                state.jobs.remove(job);
                Some(Task::Deferred { job, outcome })
            }
            Event::Message { subscription, message } => {
                let state = self.instances.get_mut(id)?.sandbox()?.store.data_mut();
                let lives = state.subscriptions.has(subscription);
                lives.then_some(Task::Message { subscription, message })
            }
            Event::Popped { pop, item } => {
                let state = self.instances.get_mut(id)?.sandbox()?.store.data_mut();
                if !state.pops.take(pop) {
                    return None;
                }
                item.take().map(|item| Task::Popped { pop, item })
            }
            Event::Spawned { name, argument } => {
                let process = self.instances.get(id)?.role.as_ref()?.process.id();
                Some(Task::Spawned { process, name, argument })
            }
            Event::Notified => {
                let message = self.instances.get(id)?.role.as_ref()?.process.take()?;
                Some(Task::Notified { message })
            }
            Event::Exited { process, reason } => Some(Task::Exited { process, reason }),
        }
    }

    fn unbind_task(&mut self, connection: ConnectionId) -> Option<Task> {
        let entry = self.connections.get(connection)?;
        let Phase::Ended(reason) = entry.shared.lock().phase() else { return None };
        let Some(object) = entry.object else {
            // The guest never had it.
            self.remove_connection(connection);
            return None;
        };
        Some(Task::Unbind { connection, object, socket: entry.socket, reason })
    }

    fn timer_task(&mut self, id: InstanceId, timer: u32) -> Option<Task> {
        let instance = self.instances.get_mut(id)?;
        let one_shot = instance.timers.get(&timer).is_some_and(|timer| timer.every.is_none());
        if one_shot {
            instance.timers.remove(&timer);
        }
        let live = &mut instance.sandbox()?.store.data_mut().timers;
        let alive = if one_shot { live.remove(&timer) } else { live.contains(&timer) };
        alive.then_some(Task::Timer { id: timer })
    }
}
