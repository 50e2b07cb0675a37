//! What the host keeps for one instance, in its tenant's account.

use crate::quota::budget::{ByteBudget, Reservation};

/// What an instance has of its tenant's account. Whatever is asked for is added at once; what has come to its end is
/// taken off when the call is over, or as soon as there is no room otherwise.
#[derive(Debug)]
pub struct KeptMeter {
    counted: Option<Reservation>,
    bytes: u64,
}

impl KeptMeter {
    pub(super) fn new(of_tenant: &ByteBudget) -> KeptMeter {
        KeptMeter { counted: of_tenant.reserve(0), bytes: 0 }
    }

    /// Adds so many bytes, if there is room for them.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let fits = self.counted.as_mut().is_some_and(|counted| counted.grow(bytes));
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Makes it so many bytes, which are there already.
    pub(super) fn set(&mut self, bytes: u64) {
        if self.bytes != bytes
            && let Some(counted) = &mut self.counted
        {
            counted.set(bytes);
            self.bytes = bytes;
        }
    }

    /// Whether the tenant has room for so many bytes more.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.counted.as_ref().is_some_and(|counted| counted.has_room(bytes))
    }
}
