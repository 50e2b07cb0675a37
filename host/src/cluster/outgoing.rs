//! Messages that wait for one connection: the tenants that share it take turns.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::cluster::pack::{Pack, Push, PushSender};
use crate::cluster::sealed::Sealed;
use crate::quota::fair_queue::{FairQueue, Taken};

/// What waits.
#[derive(Debug)]
enum Outgoing {
    /// Pushes to a channel, to which others may be added.
    Pushes(Pack),
    /// A word from host to host.
    Word(Sealed),
}

/// The messages of all links of a connection. Their number is bounded by the reservation of each.
#[derive(Debug)]
pub(super) struct OutgoingQueue {
    waiting: FairQueue<(usize, Outgoing)>,
    bell: Notify,
}

impl OutgoingQueue {
    /// An empty queue.
    pub(super) fn new() -> OutgoingQueue {
        OutgoingQueue { waiting: FairQueue::new(usize::MAX, usize::MAX), bell: Notify::new() }
    }

    /// Adds a message of a link; it is dropped after the end of the host.
    pub(super) fn add(&self, link: usize, message: Sealed) {
        if self.waiting.add(link, (link, Outgoing::Word(message))).is_ok() {
            self.bell.notify_one();
        }
    }

    /// Adds a push of a link to a channel, to the last pack of the link if that still waits. A pack has `longest` bytes at most.
    pub(super) fn push(
        &self,
        link: usize,
        sender: &Arc<PushSender>,
        channel: &str,
        push: Push,
        longest: usize,
    ) {
        let join = |last: &mut (usize, Outgoing), push| match &mut last.1 {
            Outgoing::Pushes(pack) => pack.add(channel, push, longest),
            Outgoing::Word(_) => Err(push),
        };
        let begin = |push| (link, Outgoing::Pushes(Pack::new(sender.clone(), channel, push)));
        if self.waiting.join_or_add(link, push, join, begin).is_ok() {
            self.bell.notify_one();
        }
    }

    /// Waits for the next message, of the link whose turn it is; none when the queue is closed and empty.
    pub(super) async fn next(&self) -> Option<Sealed> {
        loop {
            match self.waiting.try_take() {
                Taken::Item((link, message)) => {
                    self.waiting.done(link);
                    return Some(match message {
                        Outgoing::Pushes(pack) => pack.seal(),
                        Outgoing::Word(word) => word,
                    });
                }
                Taken::Closed => return None,
                Taken::Nothing => self.bell.notified().await,
            }
        }
    }

    /// Whether it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_idle()
    }

    /// Closes the queue: no more messages are added.
    pub(super) fn close(&self) {
        drop(self.waiting.close());
        self.bell.notify_one();
    }
}
