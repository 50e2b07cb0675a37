//! Counters of the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::contract::outcome::ClusterExit;

/// A counter.
#[derive(Debug, Default)]
pub struct ClusterCount(AtomicU64);

impl ClusterCount {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a tenant's channels.
#[derive(Debug, Default)]
pub struct LinkCounters {
    /// Messages that were passed to NATS.
    pub published: ClusterCount,
    /// Messages of other hosts that were delivered on this host.
    pub received: ClusterCount,
    /// Pushes that were refused because the outbox was full.
    pub refused: ClusterCount,
    /// Pushes that were refused because the message exceeds the server's limit.
    pub too_large: ClusterCount,
    /// Messages of other hosts that are missing by the numbers of their senders.
    pub missed: ClusterCount,
    /// Messages of other hosts for which there was no room.
    pub left_out: ClusterCount,
    /// Names of which messages of other hosts are received.
    pub subscriptions: AtomicUsize,
}

/// The counters of one singleton on this host.
#[derive(Debug, Default)]
pub struct SingletonCounters {
    /// Leases that were granted to this host.
    pub terms: ClusterCount,
    /// Renewals that were granted.
    pub renewals: ClusterCount,
    /// Renewals that failed.
    pub not_renewed: ClusterCount,
    /// Programs that were ended because their lease was not renewed, or was taken away.
    pub lapsed: ClusterCount,
    /// Leases that were given back.
    pub given_back: ClusterCount,
}

/// The counters of a tenant's queues.
#[derive(Debug, Default)]
pub struct QueueCounters {
    /// Items that were pushed here and are stored.
    pub stored: ClusterCount,
    /// Items that were pushed here and are not stored yet.
    pub unstored: AtomicUsize,
    /// Requests that JetStream has not carried out in time, or has refused; each is repeated.
    pub faults: ClusterCount,
    /// Whether the last request was one of these.
    pub has_fault: AtomicBool,
    /// Pushes that were refused because the outbox was full.
    pub refused: ClusterCount,
    /// Pushes that were refused because the message exceeds the server's limit.
    pub too_large: ClusterCount,
    /// Items on this host, from their arrival until JetStream confirms their end.
    pub in_hand: AtomicUsize,
    /// Items whose handler on this host has returned, confirmed by JetStream.
    pub handled: ClusterCount,
    /// Items that arrived here after another handler had been lost with them, here or elsewhere.
    pub redelivered: ClusterCount,
    /// Items whose handler on this host has trapped or was lost with its instance.
    pub handlers_lost: ClusterCount,
    /// Items that arrived here and were given back before a handler began.
    pub given_back: ClusterCount,
    /// Items that this host has made dead letters.
    pub dead_lettered: ClusterCount,
    /// Names from which this host requests items now.
    pub names: AtomicUsize,
}

/// The counters of a tenant's processes in the cluster.
#[derive(Debug, Default)]
pub struct ProcessCounters {
    /// Messages to and from other hosts.
    pub traffic: Arc<LinkCounters>,
    /// Processes that instances of this host have spawned, here or elsewhere.
    pub spawned: ClusterCount,
    /// Their ends that were told, by reason.
    pub exits: [ClusterCount; ClusterExit::ALL.len()],
    /// Processes that other hosts wanted here and did not get.
    pub turned_away: ClusterCount,
    /// Processes that were ended because the host of their parents was lost.
    pub orphans: ClusterCount,
    /// Messages of nobody who speaks as a host does.
    pub ignored: ClusterCount,
    /// Whether it was logged that a mailbox is full.
    pub has_told_full: AtomicBool,
}

impl ProcessCounters {
    /// Counts an end that is told to a parent.
    pub fn count_exit(&self, reason: ClusterExit) {
        self.exits[reason as usize].add(1);
    }
}

/// The counters of a connection.
#[derive(Debug, Default)]
pub struct LineCounters {
    /// How often it was made.
    pub connected: ClusterCount,
    /// How often it was lost.
    pub lost: ClusterCount,
    /// Errors that the server has reported.
    pub errors: ClusterCount,
    /// Messages that were dropped because this thread was too slow.
    pub overrun: ClusterCount,
}
