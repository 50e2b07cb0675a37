//! What is counted of the cluster.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct ClusterCount(AtomicU64);

impl ClusterCount {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Of one tenant's channels.
#[derive(Debug, Default)]
pub struct LinkCounters {
    /// Messages that were handed to NATS.
    pub published: ClusterCount,
    /// Messages of other hosts that went to subscribers here.
    pub received: ClusterCount,
    /// Pushes that were refused because too much waited.
    pub refused: ClusterCount,
    /// Pushes that were refused because no server of the cluster takes so much.
    pub too_large: ClusterCount,
    /// Messages of other hosts that have not come, as the numbers of their senders say.
    pub missed: ClusterCount,
    /// Messages of other hosts that have come and for which there was no room.
    pub left_out: ClusterCount,
    /// Names that are subscribed to on other hosts at this moment.
    pub subscriptions: AtomicUsize,
}

/// Of one connection.
#[derive(Debug, Default)]
pub struct LineCounters {
    /// How often it was made.
    pub connected: ClusterCount,
    /// How often it was lost.
    pub lost: ClusterCount,
    /// What the server has complained of.
    pub errors: ClusterCount,
    /// Messages that had come and were dropped because this thread was too slow.
    pub overrun: ClusterCount,
}
