//! The work for one tenant's queues that the loops pass to the thread of the cluster, bounded by its items and pops.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::base::lock::{Mutex, MutexGuard};
use crate::cluster::sealed::CountedPayload;
use crate::mail::message::Message;
use crate::quota::budget::Reservation;

/// An item to be stored.
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

/// The work that the loops pass to the thread of the cluster.
#[derive(Debug, Default)]
pub(super) struct QueueWork {
    /// The numbers of waiting pops that have changed, by queue.
    waiting: Mutex<HashMap<String, usize>>,
    /// Rings when one of them has changed.
    bell: Notify,
    /// The items to be stored.
    pushed: Mutex<VecDeque<PushedItem>>,
    push_bell: Notify,
    is_over: AtomicBool,
}

impl QueueWork {
    /// Ends the work.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.bell.notify_one();
        self.push_bell.notify_one();
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// The numbers of waiting pops that have changed, by queue; none when the work has ended.
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

    /// The next item to be stored; none when the work has ended.
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

    /// Reports the number of pops that wait for items of a queue.
    pub(super) fn wait(&self, name: &str, pops: usize) {
        let mut waiting = self.lock();
        match waiting.get_mut(name) {
            Some(known) => *known = pops,
            None => drop(waiting.insert(name.to_owned(), pops)),
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// Adds an item to be stored.
    pub(super) fn push(&self, item: PushedItem) {
        self.pushed.lock().push_back(item);
        self.push_bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.waiting.lock()
    }
}
