//! Mail that has come and has not been dispatched.

use std::collections::{BTreeMap, VecDeque};

use crate::mail::post::{Delivery, Mail};

/// Mail that has come and has not been dispatched.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Mailroom {
    /// In the order in which it came.
    pub(in crate::reactor) waiting: VecDeque<Mail>,
    /// Messages of channels whose subscribers have too many events waiting, by the channel's tenant.
    pub(in crate::reactor) held_back: BTreeMap<usize, VecDeque<Delivery>>,
}

impl Mailroom {
    /// The messages that each tenant has to wait with.
    pub(in crate::reactor) fn first_held_back(&self) -> impl Iterator<Item = &Delivery> {
        self.held_back.values().filter_map(VecDeque::front)
    }

    /// The tenants that have such messages.
    pub(in crate::reactor) fn tenants_held_back(&self) -> VecDeque<usize> {
        self.held_back.keys().copied().collect()
    }

    /// Holds a message back, behind others of its tenant.
    pub(in crate::reactor) fn hold_back(&mut self, delivery: Delivery) {
        self.held_back.entry(delivery.tenant).or_default().push_back(delivery);
    }

    /// Holds a message back again, before the others of its tenant.
    pub(in crate::reactor) fn hold_back_first(&mut self, delivery: Delivery) {
        self.held_back.entry(delivery.tenant).or_default().push_front(delivery);
    }

    /// The message of a tenant that has been held back for longest.
    pub(in crate::reactor) fn take_held_back(&mut self, tenant: usize) -> Option<Delivery> {
        let deliveries = self.held_back.get_mut(&tenant)?;
        let first = deliveries.pop_front();
        if deliveries.is_empty() {
            self.held_back.remove(&tenant);
        }
        first
    }
}
