//! What waits to go out on one connection: the tenants that share it take turns.

use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::cluster::counters::LinkCounters;
use crate::quota::fair_queue::{FairQueue, Taken};

/// A message on its way to NATS. What it holds of its tenant's bounds it holds until it is written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// Whose it is.
    pub(super) counters: Arc<LinkCounters>,
}

/// The messages of all links of a connection. How many there may be is bounded by the bytes that each of them counts.
#[derive(Debug)]
pub(super) struct OutgoingQueue {
    waiting: FairQueue<(usize, Outgoing)>,
    bell: Notify,
}

impl OutgoingQueue {
    /// Nothing yet.
    pub(super) fn new() -> OutgoingQueue {
        OutgoingQueue { waiting: FairQueue::new(usize::MAX, usize::MAX), bell: Notify::new() }
    }

    /// One more of a link; dropped where the host has ended.
    pub(super) fn add(&self, link: usize, message: Outgoing) {
        if self.waiting.add(link, (link, message)).is_ok() {
            self.bell.notify_one();
        }
    }

    /// The next one, of the link whose turn it is; none when it is closed and all have gone.
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

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_idle()
    }

    /// Nothing is taken any more.
    pub(super) fn close(&self) {
        drop(self.waiting.close());
        self.bell.notify_one();
    }
}
