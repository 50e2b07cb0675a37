//! Measurements of the loops, kept only if there is an `[admin]` section.
//!
//! Each loop has its own counters, so that noting an event writes to no cache line of another core.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::histogram::{Distribution, Histogram, LoopCounter};
use crate::contract::callback::Callback;
use crate::net::connection::CloseReason;

/// The measurements of one plugin.
#[derive(Debug, Default)]
pub struct PluginStats {
    /// By index of the reactor; empty without `[admin]`.
    loops: Box<[PluginOnLoop]>,
    /// CPU time of its handlers and operations on all threads, in nanoseconds.
    cpu: AtomicU64,
}

/// The measurements of a plugin on one loop.
#[derive(Debug)]
#[repr(align(128))]
pub struct PluginOnLoop {
    /// Calls that have returned, by callback.
    pub events: [LoopCounter; Callback::ALL.len()],
    /// The time from the entry into the guest to its return, including the slow lane.
    pub duration: Histogram,
    /// The time from when the loop learned of the event to the guest's return.
    pub latency: Histogram,
    /// Bytes that were delivered to its handlers.
    pub received: LoopCounter,
    /// Bytes that the system has accepted from its connections.
    pub sent: LoopCounter,
    /// Connections that were accepted for it.
    pub accepted: LoopCounter,
    /// Connections that were turned away.
    pub turned_away: LoopCounter,
    /// Connections that have ended, by reason.
    pub ended: [LoopCounter; CloseReason::ALL.len()],
}

// Arrays have a default up to 32.
impl Default for PluginOnLoop {
    fn default() -> PluginOnLoop {
        PluginOnLoop {
            events: std::array::from_fn(|_| LoopCounter::default()),
            duration: Histogram::default(),
            latency: Histogram::default(),
            received: LoopCounter::default(),
            sent: LoopCounter::default(),
            accepted: LoopCounter::default(),
            turned_away: LoopCounter::default(),
            ended: std::array::from_fn(|_| LoopCounter::default()),
        }
    }
}

/// The measurements of one loop.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct LoopStats {
    /// The time of each turn after the poll has returned.
    pub turns: Histogram,
    /// Its connections at the end of the last turn.
    pub connections: LoopCounter,
    /// Its instances.
    pub instances: LoopCounter,
    /// Instances that wait to be entered.
    pub runnable: LoopCounter,
}

impl PluginStats {
    /// For `loops` loops; 0 without `[admin]`.
    pub fn new(loops: usize) -> PluginStats {
        PluginStats {
            loops: (0..loops).map(|_| PluginOnLoop::default()).collect(),
            cpu: AtomicU64::new(0),
        }
    }

    /// Whether measurements are kept.
    pub fn are_kept(&self) -> bool {
        !self.loops.is_empty()
    }

    /// The measurements of a loop, if they are kept.
    pub fn on(&self, reactor: usize) -> Option<&PluginOnLoop> {
        self.loops.get(reactor)
    }

    /// Adds CPU time of its handlers and operations.
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

    /// The sum of a counter over all loops.
    pub fn sum(&self, of: impl Fn(&PluginOnLoop) -> &LoopCounter) -> u64 {
        self.loops.iter().map(|on_loop| of(on_loop).get()).sum()
    }

    /// The sum of a distribution over all loops.
    pub fn distribution(&self, of: impl Fn(&PluginOnLoop) -> &Histogram) -> Distribution {
        let mut sum = Distribution::default();
        self.loops.iter().for_each(|on_loop| of(on_loop).add_to(&mut sum));
        sum
    }
}

impl PluginOnLoop {
    /// Notes a call that has returned after `duration`, `latency` after the loop learned that it was due.
    pub fn returned(&self, callback: Callback, duration: Duration, latency: Duration) {
        self.events[callback as usize].add(1);
        self.duration.note(duration);
        self.latency.note(latency);
    }
}
