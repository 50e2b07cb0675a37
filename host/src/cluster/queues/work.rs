//! What the loops hand to the thread of the cluster, of the queues of one tenant: within the bounds of what they hand over.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::base::lock::{Mutex, MutexGuard};
use crate::cluster::link::CountedPayload;
use crate::mail::message::Message;
use crate::quota::budget::Reservation;

/// An item that is to be stored.
#[derive(Debug)]
pub(super) struct PushedItem {
    pub(super) subject: String,
    pub(super) payload: Bytes,
}

impl PushedItem {
    /// An item in the room that was reserved for it.
    pub(super) fn new(subject: String, item: Message, room: Reservation) -> PushedItem {
        PushedItem { subject, payload: CountedPayload::bytes(Arc::new(item), Some(room)) }
    }
}

/// What the loops hand to the thread of the cluster.
#[derive(Debug, Default)]
pub(super) struct QueueWork {
    /// How many pops wait, by the name of their queue, where that has changed.
    waiting: Mutex<HashMap<String, usize>>,
    /// Rings when that has changed.
    bell: Notify,
    /// What is to be stored.
    pushed: Mutex<VecDeque<PushedItem>>,
    push_bell: Notify,
    is_over: AtomicBool,
}

impl QueueWork {
    /// Nothing is handed over any more.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.bell.notify_one();
        self.push_bell.notify_one();
    }

    /// Whether that is so.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Where how many pops wait, as far as that has changed; none when nothing will any more.
    pub(super) async fn changed(&self) -> Option<HashMap<String, usize>> {
        loop {
            if self.is_over() {
                return None;
            }
            let changed = std::mem::take(&mut *self.lock());
            if !changed.is_empty() {
                return Some(changed);
            }
            self.bell.notified().await;
        }
    }

    /// What is to be stored next; none when nothing will be any more.
    pub(super) async fn next_push(&self) -> Option<PushedItem> {
        loop {
            let next = self.pushed.lock().pop_front();
            if next.is_some() {
                return next;
            }
            if self.is_over() {
                return None;
            }
            self.push_bell.notified().await;
        }
    }

    /// So many pops wait for items of a queue.
    pub(super) fn wait(&self, name: &str, pops: usize) {
        let mut waiting = self.lock();
        match waiting.get_mut(name) {
            Some(known) => *known = pops,
            None => drop(waiting.insert(name.to_owned(), pops)),
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// An item is to be stored.
    pub(super) fn push(&self, item: PushedItem) {
        self.pushed.lock().push_back(item);
        self.push_bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.waiting.lock()
    }
}
