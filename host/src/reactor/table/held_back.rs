//! Messages of channels that wait for a subscriber that is busy.

use std::collections::{BTreeMap, VecDeque};

use crate::mail::post::Delivery;

/// Messages of channels whose subscribers have too many events waiting, by the channel's tenant.
#[derive(Debug, Default)]
pub(in crate::reactor) struct HeldBack(BTreeMap<usize, VecDeque<Delivery>>);

impl HeldBack {
    /// Whether a tenant has any.
    pub(in crate::reactor) fn has(&self, tenant: usize) -> bool {
        self.0.contains_key(&tenant)
    }

    /// The message that each tenant has to go on with.
    pub(in crate::reactor) fn first(&self) -> impl Iterator<Item = &Delivery> {
        self.0.values().filter_map(VecDeque::front)
    }

    /// The tenants that have any.
    pub(in crate::reactor) fn tenants(&self) -> VecDeque<usize> {
        self.0.keys().copied().collect()
    }

    /// Holds a message back, behind others of its tenant.
    pub(in crate::reactor) fn push(&mut self, delivery: Delivery) {
        self.0.entry(delivery.tenant).or_default().push_back(delivery);
    }

    /// Holds a message back again, before the others of its tenant.
    pub(in crate::reactor) fn push_front(&mut self, delivery: Delivery) {
        self.0.entry(delivery.tenant).or_default().push_front(delivery);
    }

    /// The message of a tenant that has been held back for longest.
    pub(in crate::reactor) fn pop(&mut self, tenant: usize) -> Option<Delivery> {
        let deliveries = self.0.get_mut(&tenant)?;
        let first = deliveries.pop_front();
        if deliveries.is_empty() {
            self.0.remove(&tenant);
        }
        first
    }
}
