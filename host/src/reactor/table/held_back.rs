//! Channel messages that wait for a busy subscriber.

use std::collections::{BTreeMap, VecDeque};

use crate::mail::post::Delivery;

/// Channel messages whose next subscriber has a full queue, by the channel's tenant.
#[derive(Debug, Default)]
pub(in crate::reactor) struct HeldBack(BTreeMap<usize, VecDeque<Box<Delivery>>>);

impl HeldBack {
    /// Whether no messages are held back.
    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether messages of a tenant are held back.
    pub(in crate::reactor) fn has(&self, tenant: usize) -> bool {
        self.0.contains_key(&tenant)
    }

    /// The oldest message of each tenant.
    pub(in crate::reactor) fn first(&self) -> impl Iterator<Item = &Delivery> {
        self.0.values().filter_map(VecDeque::front).map(Box::as_ref)
    }

    /// The tenants with messages that are held back.
    pub(in crate::reactor) fn tenants(&self) -> VecDeque<usize> {
        self.0.keys().copied().collect()
    }

    /// Adds a message behind the others of its tenant.
    pub(in crate::reactor) fn push(&mut self, delivery: Box<Delivery>) {
        self.0.entry(delivery.tenant).or_default().push_back(delivery);
    }

    /// Puts a message back, before the others of its tenant.
    pub(in crate::reactor) fn push_front(&mut self, delivery: Box<Delivery>) {
        self.0.entry(delivery.tenant).or_default().push_front(delivery);
    }

    /// Takes the oldest message of a tenant.
    pub(in crate::reactor) fn pop(&mut self, tenant: usize) -> Option<Box<Delivery>> {
        let deliveries = self.0.get_mut(&tenant)?;
        let first = deliveries.pop_front();
        if deliveries.is_empty() {
            self.0.remove(&tenant);
        }
        first
    }
}
