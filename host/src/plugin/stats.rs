//! What the loops measure for those who watch the host: kept where there is an `[admin]` section, and not otherwise.
//!
//! Each loop has counts of its own, so that noting an event touches no cache line of another core.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::histogram::{Distribution, Histogram, LoopCounter};
use crate::contract::callback::Callback;
use crate::net::connection::CloseReason;

/// What is measured of one plugin.
#[derive(Debug, Default)]
pub struct PluginStats {
    /// By the number of the reactor; none where nobody watches.
    loops: Box<[PluginOnLoop]>,
    /// CPU time of its handlers and operations, in nanoseconds. Their threads are many.
    cpu: AtomicU64,
}

/// What one loop has measured of a plugin.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct PluginOnLoop {
    /// Calls that have returned, by callback.
    pub events: [LoopCounter; Callback::ALL.len()],
    /// From the entry into the guest to its return, the slow lane included.
    pub duration: Histogram,
    /// From the moment at which the loop learned what there is to do to the guest's return.
    pub latency: Histogram,
    /// Bytes that were handed to its handlers.
    pub received: LoopCounter,
    /// Bytes that the system has taken from its connections.
    pub sent: LoopCounter,
    /// Connections that were accepted for it.
    pub accepted: LoopCounter,
    /// Connections that were turned away.
    pub turned_away: LoopCounter,
    /// Connections that have ended, by reason.
    pub ended: [LoopCounter; CloseReason::ALL.len()],
}

/// What one loop has measured of itself.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct LoopStats {
    /// Work of each turn, from the moment at which the poll has returned.
    pub turns: Histogram,
    /// Its connections at the end of the last turn.
    pub connections: LoopCounter,
    /// Its instances.
    pub instances: LoopCounter,
    /// Instances that are to be entered.
    pub runnable: LoopCounter,
}

impl PluginStats {
    /// For so many loops; for none where nobody watches.
    pub fn new(loops: usize) -> PluginStats {
        PluginStats {
            loops: (0..loops).map(|_| PluginOnLoop::default()).collect(),
            cpu: AtomicU64::new(0),
        }
    }

    /// Whether somebody watches.
    pub fn are_kept(&self) -> bool {
        !self.loops.is_empty()
    }

    /// What this loop measures, if somebody watches.
    pub fn on(&self, reactor: usize) -> Option<&PluginOnLoop> {
        self.loops.get(reactor)
    }

    /// Its handlers have used CPU time.
    pub fn used_cpu(&self, used: Duration) {
        if self.are_kept() {
            let nanoseconds = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
            self.cpu.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }

    /// CPU time of its handlers and operations.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Ordering::Relaxed))
    }

    /// A count of all loops together.
    pub fn sum(&self, of: impl Fn(&PluginOnLoop) -> &LoopCounter) -> u64 {
        self.loops.iter().map(|on_loop| of(on_loop).get()).sum()
    }

    /// A distribution of all loops together.
    pub fn distribution(&self, of: impl Fn(&PluginOnLoop) -> &Histogram) -> Distribution {
        let mut sum = Distribution::default();
        self.loops.iter().for_each(|on_loop| of(on_loop).add_to(&mut sum));
        sum
    }
}

impl PluginOnLoop {
    /// A call has returned after `duration`, and after `latency` since the loop learned that it was due.
    pub fn returned(&self, callback: Callback, duration: Duration, latency: Duration) {
        self.events[callback as usize].add(1);
        self.duration.note(duration);
        self.latency.note(latency);
    }
}
