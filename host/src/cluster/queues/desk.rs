//! The context of all work for the queues of one tenant.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::cluster::counters::QueueCounters;
use crate::cluster::queues::jetstream::{JetFault, JetStream};
use crate::cluster::queues::streams::QueueStreams;
use crate::mail::queues::Queues;

/// The context of one tenant's work.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) queues: Weak<Queues>,
    pub(super) counters: Arc<QueueCounters>,
    /// This host and this link to the tenant's queues: a tenant that is removed and added by reloads gets another one.
    pub(super) origin: String,
    pub(super) streams: QueueStreams,
    pub(super) tenant: String,
    pub(super) jet: JetStream,
    /// The next number.
    pub(super) numbers: AtomicU64,
}

impl Desk {
    /// JetStream has not done what it should; the caller tries again. Logged once until it succeeds.
    pub(super) fn note_fault(&self, fault: &JetFault) {
        self.counters.faults.add(1);
        if !self.counters.has_fault.swap(true, Ordering::Relaxed) {
            let (tenant, cause) = (&self.tenant, fault.to_string());
            tracing::warn!(
                tenant,
                cause,
                "JetStream does not serve the queues: tried again and again"
            );
        }
    }

    /// JetStream has succeeded.
    pub(super) fn note_success(&self) {
        self.counters.has_fault.store(false, Ordering::Relaxed);
    }

    /// A number that is unique for this tenant on this host.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}
