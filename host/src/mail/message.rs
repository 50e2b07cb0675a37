//! Bytes on their way from one instance to another.

use crate::quota::budget::{ByteBudget, Reservation};

/// What a message counts besides its bytes in what it waits in.
pub const OVERHEAD_BYTES: u64 = 64;
/// What it counts besides its bytes in its tenant's account: what the host needs to keep it.
pub const KEPT_BYTES: u64 = 256;

/// The accounts of a tenant that its channels and queues work with.
#[derive(Debug, Clone)]
pub struct TenantBudgets {
    /// Everything that waits for its instances.
    pub messages: ByteBudget,
    /// What else the host keeps for it.
    pub host_memory: ByteBudget,
}

/// Bytes of a guest's in the host's hands, counted until the last one that gets them has them.
#[derive(Debug)]
pub struct Message {
    data: Vec<u8>,
    _of_place: Option<Reservation>,
    _of_tenant: Reservation,
}

/// Room for a message, reserved in what it will count in. A lock may be held over this: what is too large is dropped by whoever
/// has the bytes.
#[derive(Debug)]
pub struct Room {
    of_place: Option<Reservation>,
    of_tenant: Reservation,
}

impl Room {
    /// Reserves room for `length` bytes, for a tenant and for whatever the message waits in.
    ///
    /// # Errors
    /// When one of them has none.
    pub fn reserve(
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

    /// The same with `more` bytes in its tenant's account.
    ///
    /// # Errors
    /// When there is no room for that.
    pub(super) fn with(mut self, more: u64) -> Result<Room, Full> {
        let fits = self.of_tenant.grow(more);
        if fits { Ok(self) } else { Err(Full) }
    }

    /// The message that it was reserved for.
    pub(super) fn fill(self, data: Vec<u8>) -> Message {
        Message { data, _of_place: self.of_place, _of_tenant: self.of_tenant }
    }
}

/// There is no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Message {
    /// A message that counts for its tenant and for whatever it waits in.
    pub fn new(
        data: Vec<u8>,
        tenant: &ByteBudget,
        place: Option<&ByteBudget>,
    ) -> Result<Message, Full> {
        Message::named("", data, tenant, place)
    }

    /// As [`Message::new`], with a name that is kept beside it and counts with it.
    pub fn named(
        name: &str,
        data: Vec<u8>,
        tenant: &ByteBudget,
        place: Option<&ByteBudget>,
    ) -> Result<Message, Full> {
        let length = data.len().saturating_add(name.len());
        Ok(Room::reserve(length, tenant, place)?.fill(data))
    }

    /// Its bytes.
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
