//! Messages that wait for one connection: the tenants that share it take turns.

use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::cluster::counters::LinkCounters;
use crate::quota::fair_queue::{FairQueue, Taken};

/// A message for NATS. It holds the reservations of its tenant until it is written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// The counters of its tenant.
    pub(super) counters: Arc<LinkCounters>,
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
    pub(super) fn add(&self, link: usize, message: Outgoing) {
        if self.waiting.add(link, (link, message)).is_ok() {
            self.bell.notify_one();
        }
    }

    /// Waits for the next message, of the link whose turn it is; none when the queue is closed and empty.
    pub(super) async fn next(&self) -> Option<Outgoing> {
        loop {
            match self.waiting.try_take() {
                Taken::Item((link, message)) => {
                    self.waiting.done(link);
                    return Some(message);
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
