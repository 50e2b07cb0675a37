//! Charges the CPU time of a call to its tenant while it runs, not only when it has ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::thread::thread_cpu_time;
use crate::clock::Moment;
use crate::plugin::Plugin;

/// The CPU time of a call that was charged. Only the thread of the call changes it.
#[derive(Debug, Default)]
pub(super) struct CpuAccount {
    /// CPU time of the thread at the last charge, in nanoseconds.
    paid_until: AtomicU64,
}

impl CpuAccount {
    /// Begins a call on the current thread.
    pub(super) fn begin(&self) {
        self.paid_until.store(nanoseconds(thread_cpu_time()), Ordering::Relaxed);
    }

    /// Begins a call on a thread that has used this CPU time before.
    pub(super) fn begin_at(&self, cpu: Duration) {
        self.paid_until.store(nanoseconds(cpu), Ordering::Relaxed);
    }

    /// Charges the CPU time since the last charge to the tenant.
    pub(super) fn pay(&self, plugin: &Plugin, now: Moment) {
        let until = nanoseconds(thread_cpu_time());
        let before = self.paid_until.swap(until, Ordering::Relaxed);
        plugin.use_cpu(Duration::from_nanos(until.saturating_sub(before)), now, || None);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
