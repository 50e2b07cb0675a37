//! What a call uses is taken from its tenant's account while it runs, not when it has ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::thread::thread_cpu_time;
use crate::clock::Moment;
use crate::plugin::Plugin;

/// How much of its thread's CPU time a call has paid for. Only the thread of the call changes it.
#[derive(Debug, Default)]
pub(super) struct CpuAccount {
    /// CPU time of the thread at the last payment, in nanoseconds.
    paid_until: AtomicU64,
}

impl CpuAccount {
    /// A call begins on the calling thread.
    pub(super) fn begin(&self) {
        self.paid_until.store(nanoseconds(thread_cpu_time()), Ordering::Relaxed);
    }

    /// A call begins on a thread that has had this CPU time.
    pub(super) fn begin_at(&self, cpu: Duration) {
        self.paid_until.store(nanoseconds(cpu), Ordering::Relaxed);
    }

    /// Takes what it has used since it paid last from the account of the tenant.
    pub(super) fn pay(&self, plugin: &Plugin, now: Moment) {
        let until = nanoseconds(thread_cpu_time());
        let before = self.paid_until.swap(until, Ordering::Relaxed);
        plugin.use_cpu(Duration::from_nanos(until.saturating_sub(before)), now, || None);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
