//! The queue of an instance.

use std::collections::VecDeque;

use crate::base::arena::ConnectionId;
use crate::engine::event::Event;

/// The length from which items that an instance has caused itself wait behind those from outside.
pub(in crate::reactor) const CROWDED: usize = 256;

/// An item in an instance's queue.
#[derive(Debug)]
pub(crate) enum QueueItem {
    /// Deliver this event, if it is still valid.
    Event(Event),
    /// Read this connection, after the items before it.
    Reading(ConnectionId),
    /// Deliver the next message of its mailbox.
    Mailbox,
}

/// The queue of an instance. If it is long, items that the instance has caused itself (ten thousand timers that are due
/// together, while its handlers take long) keep their order among themselves but are overtaken by items of its connections:
/// so the ends of connections, which release resources, are at most [`CROWDED`] events away.
#[derive(Debug, Default)]
pub(in crate::reactor) struct InstanceQueue {
    next: VecDeque<QueueItem>,
    /// Items that move into `next` as it gets shorter.
    held: VecDeque<QueueItem>,
}

impl QueueItem {
    /// Whether a guest has caused it, and not a peer or the host.
    fn is_of_a_guest(&self) -> bool {
        match self {
            QueueItem::Mailbox => true,
            QueueItem::Reading(_) => false,
            QueueItem::Event(event) => match event {
                Event::Timer(_)
                | Event::Tick(_)
                | Event::Deferred(_)
                | Event::Message { .. }
                | Event::Popped { .. }
                | Event::Notified(_)
                | Event::Exited { .. }
                | Event::ClusterExited { .. } => true,
                Event::Prepare
                | Event::Handlers
                | Event::Start
                | Event::Stopping
                | Event::Stopped
                | Event::Open(_)
                | Event::Completed(_)
                | Event::Data { .. }
                | Event::Datagram { .. }
                | Event::Drained(_)
                | Event::ProxyTargetUnbound(_)
                | Event::ProxyCompleted(_)
                | Event::FileSent { .. }
                | Event::FileChanged { .. }
                | Event::WatchEnded { .. }
                | Event::Secured(_)
                | Event::VerifyPeer { .. }
                | Event::Draining { .. }
                | Event::Unbind { .. }
                | Event::Operation { .. }
                | Event::Save
                | Event::Restore(_)
                | Event::Spawned { .. } => false,
            },
        }
    }
}

impl InstanceQueue {
    pub(in crate::reactor) fn push(&mut self, item: QueueItem) {
        let is_crowded = CROWDED <= self.next.len() || !self.held.is_empty();
        let queue =
            if is_crowded && item.is_of_a_guest() { &mut self.held } else { &mut self.next };
        queue.push_back(item);
    }

    pub(in crate::reactor) fn pop(&mut self) -> Option<QueueItem> {
        let item = self.next.pop_front()?;
        // So `held` is empty whenever `next` is.
        self.next.extend(self.held.pop_front());
        Some(item)
    }

    /// Whether `lifecycle.start` waits in it: behind `handover-handler.restore` at most.
    pub(in crate::reactor) fn has_start(&self) -> bool {
        let first = self.next.iter().take(2);
        first.into_iter().any(|item| matches!(item, QueueItem::Event(Event::Start)))
    }

    pub(in crate::reactor) fn len(&self) -> usize {
        self.next.len() + self.held.len()
    }

    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.next.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(queue: &mut InstanceQueue, ids: std::ops::Range<u32>) {
        ids.for_each(|id| queue.push(QueueItem::Event(Event::Tick(id))));
    }

    /// The ids of ticks, and none for the others.
    fn drain(queue: &mut InstanceQueue) -> Vec<Option<u32>> {
        let all = std::iter::from_fn(|| queue.pop());
        all.map(|item| match item {
            QueueItem::Event(Event::Tick(id)) => Some(id),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn everything_has_one_order_where_little_waits() {
        let mut queue = InstanceQueue::default();
        ticks(&mut queue, 0..200);
        queue.push(QueueItem::Event(Event::Stopping));
        ticks(&mut queue, 200..210);
        assert_eq!(queue.len(), 211);
        let all: Vec<_> = (0..200).map(Some).chain([None]).chain((200..210).map(Some)).collect();
        assert_eq!(drain(&mut queue), all);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_comes_from_outside_is_never_far_away() {
        let mut queue = InstanceQueue::default();
        ticks(&mut queue, 0..10_000);
        for _ in 0..1000 {
            queue.pop();
        }
        queue.push(QueueItem::Event(Event::Stopping));
        ticks(&mut queue, 10_000..10_010);
        assert_eq!(queue.len(), 9011);
        let drained = drain(&mut queue);
        let place = drained.iter().position(Option::is_none);
        assert_eq!(place, Some(CROWDED));
        // Items of the instance keep their order.
        assert!(drained.into_iter().flatten().eq(1000..10_010));
    }
}
