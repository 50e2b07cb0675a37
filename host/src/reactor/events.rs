//! Validates queued items of an instance when they are due.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::engine::event::Event;
use crate::host_api::state::HostState;
use crate::mail::handout::Handout;
use crate::net::connection::{CloseReason, Phase};
use crate::reactor::Reactor;
use crate::reactor::table::instance_queue::QueueItem;

impl Reactor {
    /// The event to deliver for an item; none if its subject is gone.
    pub(super) fn event_of(&mut self, id: InstanceId, item: QueueItem) -> Option<Event> {
        match item {
            QueueItem::Event(mut event) => self.is_due(id, &mut event)?.then_some(event),
            QueueItem::Reading(connection) => self.read_delayed(connection),
            QueueItem::Mailbox => {
                let role = self.instances.get(id)?.role.as_ref()?;
                role.process.take().map(Event::Notified)
            }
        }
    }

    /// Whether an event is still valid when it is due.
    fn is_due(&mut self, id: InstanceId, event: &mut Event) -> Option<bool> {
        let is_due = match event {
            Event::Start => {
                self.instances.get_mut(id)?.started = true;
                true
            }
            Event::Open(opening) => self.connections.get(opening.connection).is_some(),
            Event::Completed(connection) => {
                // The plugin may have closed it during a long `post-init`.
                self.phase_in_guest(*connection)? != Phase::Ended(CloseReason::Closed)
            }
            Event::Drained(connection)
            | Event::Secured(connection)
            | Event::Draining { connection, .. } => {
                !matches!(self.phase_in_guest(*connection)?, Phase::Ended(_))
            }
            Event::ProxyTargetUnbound(connection) | Event::ProxyCompleted(connection) => {
                self.connections.get(*connection)?.is_open
            }
            Event::FileChanged { watch, change } => self.watch_is_set(id, *watch, *change)?,
            Event::WatchEnded { watch, .. } => self.watch_ends(id, *watch)?,
            Event::FileSent { connection, .. } => self.connections.get(*connection)?.is_open,
            Event::VerifyPeer { connection, .. } => {
                self.phase_in_guest(*connection)? == Phase::Handshaking
            }
            Event::Datagram { connection, .. } => self.datagram_is_due(*connection)?,
            Event::Unbind { connection, .. } => {
                let is_open = self.connections.get(*connection)?.is_open;
                if !is_open {
                    // The guest never got it.
                    self.remove_connection(*connection);
                }
                is_open
            }
            Event::Timer(timer) => self.timer_is_set(id, *timer)?,
            Event::Tick(_) => {
                self.state_of(id)?.ticks -= 1;
                true
            }
            Event::Deferred(deferred) => {
                drop(deferred.permits.take());
                self.state_of(id)?.jobs.remove(deferred.job);
                true
            }
            Event::Message { subscription, .. } => {
                self.state_of(id)?.subscriptions.has(*subscription)
            }
            Event::Popped { pop, item } => self.pop_is_due(id, *pop, item)?,
            // The others cannot become invalid.
            _ => true,
        };
        Some(is_due)
    }

    /// Whether a pop still waits and its item may be handled; one whose item may not waits for another.
    fn pop_is_due(&mut self, id: InstanceId, pop: u32, item: &Handout) -> Option<bool> {
        let takes = self.instances.get(id)?.plugin.config.limits.longest_call();
        if !self.state_of(id)?.pops.has(pop) {
            return Some(false);
        }
        let may_begin = item.may_begin(takes);
        if !may_begin {
            self.wait_for_another_item(id, pop);
        }
        Some(may_begin)
    }

    /// Has a pop wait for another item, at its position.
    pub(super) fn wait_for_another_item(&mut self, id: InstanceId, pop: u32) {
        let address = self.address(id);
        if let Some(state) = self.state_of(id) {
            state.pops.wait_again(pop, &address);
        }
    }

    fn state_of(&mut self, id: InstanceId) -> Option<&mut HostState> {
        Some(self.instances.get_mut(id)?.sandbox_mut()?.store.data_mut())
    }

    /// The phase of a connection that its guest knows.
    fn phase_in_guest(&self, connection: ConnectionId) -> Option<Phase> {
        let entry = self.connections.get(connection).filter(|entry| entry.is_open)?;
        Some(entry.shared.lock().phase())
    }

    /// Whether a timer is still set; a one-shot timer is removed.
    fn timer_is_set(&mut self, id: InstanceId, timer: u32) -> Option<bool> {
        let instance = self.instances.get_mut(id)?;
        let one_shot = instance.timers.get(&timer).is_some_and(|timer| timer.every.is_none());
        if one_shot {
            instance.timers.remove(&timer);
        }
        let set = &mut instance.sandbox_mut()?.store.data_mut().timers;
        Some(if one_shot { set.remove(&timer) } else { set.contains(&timer) })
    }
}
