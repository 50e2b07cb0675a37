//! Messages between instances: bytes with their reservations.

use crate::quota::budget::{ByteBudget, Reservation};

/// The overhead of a message in a channel, queue or mailbox, in bytes.
pub(crate) const OVERHEAD_BYTES: u64 = 64;
/// The overhead of a message in its tenant's budget: the host memory that it takes.
pub(crate) const KEPT_BYTES: u64 = 256;

/// The budgets of a tenant that channels and queues need.
#[derive(Debug, Clone)]
pub struct TenantBudgets {
    /// Messages that wait for its instances.
    pub messages: ByteBudget,
    /// Other host memory.
    pub host_memory: ByteBudget,
}

/// Bytes of a guest that the host keeps, reserved until the last receiver has got them.
#[derive(Debug)]
pub struct Message {
    data: Vec<u8>,
    _of_place: Option<Reservation>,
    _of_tenant: Reservation,
}

/// Room for a message, reserved before the bytes are moved in. May be made under a lock: if there is no room the caller
/// keeps the bytes and drops them after unlocking.
#[derive(Debug)]
pub(crate) struct Room {
    of_place: Option<Reservation>,
    of_tenant: Reservation,
}

impl Room {
    /// Reserves room for `length` bytes in the budgets of a tenant and of the channel, queue or mailbox.
    ///
    /// # Errors
    /// When one of them has no room.
    pub(crate) fn reserve(
        length: usize,
        tenant: &ByteBudget,
        place: Option<&ByteBudget>,
    ) -> Result<Room, Full> {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let with = |more: u64| length.saturating_add(more);
        let place = place.map(|budget| budget.reserve(with(OVERHEAD_BYTES)).ok_or(Full));
        let of_place = place.transpose()?;
        let of_tenant = tenant.reserve(with(KEPT_BYTES)).ok_or(Full)?;
        Ok(Room { of_place, of_tenant })
    }

    /// Also reserves `more` bytes of its tenant's budget.
    ///
    /// # Errors
    /// When the tenant has no room.
    pub(super) fn with(mut self, more: u64) -> Result<Room, Full> {
        let fits = self.of_tenant.grow(more);
        if fits { Ok(self) } else { Err(Full) }
    }

    /// Turns the room into a message with these bytes.
    pub(super) fn fill(self, data: Vec<u8>) -> Message {
        Message { data, _of_place: self.of_place, _of_tenant: self.of_tenant }
    }
}

/// The error of a full budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Message {
    /// A message that counts for its tenant and for the channel, queue or mailbox.
    pub fn new(
        data: Vec<u8>,
        tenant: &ByteBudget,
        place: Option<&ByteBudget>,
    ) -> Result<Message, Full> {
        Message::named("", data, tenant, place)
    }

    /// Like [`Message::new`], for a message with a name that counts too.
    pub fn named(
        name: &str,
        data: Vec<u8>,
        tenant: &ByteBudget,
        place: Option<&ByteBudget>,
    ) -> Result<Message, Full> {
        let length = data.len().saturating_add(name.len());
        Ok(Room::reserve(length, tenant, place)?.fill(data))
    }

    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_in_both_until_it_is_gone() {
        let (tenant, place) = (ByteBudget::new(292), ByteBudget::new(100));
        let first = Message::new(vec![0; 36], &tenant, Some(&place));
        assert!(first.is_ok(), "36 and 64 are 100, 36 and 256 are 292");
        assert_eq!(Message::new(Vec::new(), &tenant, Some(&place)).unwrap_err(), Full);
        drop(first);
        let narrow = ByteBudget::new(291);
        assert!(Message::new(vec![0; 36], &narrow, Some(&place)).is_err());
        assert!(
            Message::new(vec![0; 36], &tenant, Some(&place)).is_ok(),
            "nothing was left behind"
        );
        assert!(Message::named("n", vec![0; 36], &tenant, Some(&place)).is_err(), "a name counts");
    }
}
