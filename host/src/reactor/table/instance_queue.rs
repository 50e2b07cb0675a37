//! What waits for an instance, in its order.

use std::collections::VecDeque;

use crate::base::arena::ConnectionId;
use crate::engine::event::Event;

/// Items from which on what an instance has brought about itself waits behind what comes from outside.
pub(in crate::reactor) const CROWDED: usize = 256;

/// What waits in an instance's queue.
#[derive(Debug)]
pub enum QueueItem {
    /// This is told to it, if it still means something.
    Event(Event),
    /// A connection is read, which had to wait until everything before it was done.
    Reading(ConnectionId),
    /// The next message of its mailbox is delivered.
    Mailbox,
}

/// What waits for an instance. Where that is much, what the instance has brought about itself (ten thousand timers that are due
/// together, while its handlers take long) keeps its own order but not the place before its connections: their ends, with
/// which it gives everything back, are at most [`CROWDED`] events away.
#[derive(Debug, Default)]
pub(in crate::reactor) struct InstanceQueue {
    next: VecDeque<QueueItem>,
    /// What takes a place in `next` as one becomes free.
    held: VecDeque<QueueItem>,
}

impl QueueItem {
    /// Whether the instance, or another one, has brought it about, and not a peer or the host.
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
                | Event::Exited { .. } => true,
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
                | Event::Spawned { .. } => false,
            },
        }
    }
}

impl InstanceQueue {
    /// Adds something behind what waits.
    pub(in crate::reactor) fn push(&mut self, item: QueueItem) {
        let is_crowded = CROWDED <= self.next.len() || !self.held.is_empty();
        let queue =
            if is_crowded && item.is_of_a_guest() { &mut self.held } else { &mut self.next };
        queue.push_back(item);
    }

    /// Takes what is next.
    pub(in crate::reactor) fn pop(&mut self) -> Option<QueueItem> {
        let item = self.next.pop_front()?;
        // So nothing is held where nothing else waits.
        self.next.extend(self.held.pop_front());
        Some(item)
    }

    /// How much waits.
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
        // Its own keep their order.
        assert!(drained.into_iter().flatten().eq(1000..10_010));
    }
}
