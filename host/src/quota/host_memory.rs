//! Memory of the host per tenant besides linear memory, messages and outboxes, and what each object counts in the tenant's
//! account.
//!
//! The numbers are the sizes of table entries, rounded up: the account enforces limits and is not exact bookkeeping.

use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::semaphore::{Permit, Semaphore};

/// A timer: its id, its deadline, and its position in the heap.
pub(crate) const TIMER_BYTES: u64 = 512;
/// A waiting tick.
pub(crate) const TICK_BYTES: u64 = 192;
/// A subscription, with the name of its channel twice.
pub(crate) const SUBSCRIPTION_BYTES: u64 = 512;
/// A waiting pop, with the name of its queue twice.
pub(crate) const POP_BYTES: u64 = 512;
/// A deferred job, besides its argument and its result.
pub(crate) const JOB_BYTES: u64 = 512;
/// A channel or a queue in use, besides its name and its contents.
pub(crate) const CHANNEL_BYTES: u64 = 2048;
/// A channel that this host is subscribed to on others: its waiting messages and its reader.
pub(crate) const RELAY_BYTES: u64 = 4096;
/// The position of another host in the messages that it sends to one channel.
pub(crate) const SENDER_BYTES: u64 = 256;
/// A guest's handle of a host object.
pub(crate) const HANDLE_BYTES: u64 = 256;
/// A connection, besides its outbox.
pub(crate) const CONNECTION_BYTES: u64 = 2048;
/// The TLS session of a connection: its keys, a partly received record, and a partly sent one.
pub(crate) const TLS_BYTES: u64 = 48 << 10;
/// A datagram that waits for its handler, besides its data.
pub(crate) const DATAGRAM_BYTES: u64 = 256;
/// A file being sent, besides its path and its bytes in memory.
pub(crate) const FILE_BYTES: u64 = 512;
/// A watched file.
pub(crate) const WATCH_BYTES: u64 = 1024;
/// A process, besides its instance and its mailbox.
pub(crate) const PROCESS_BYTES: u64 = 1024;
/// An option of a listener of a plugin's own, besides its name and its value.
pub(crate) const OPTION_BYTES: u64 = 64;
/// An entry of a folder that was listed, besides its name.
pub(crate) const ENTRY_BYTES: u64 = 96;

/// A permit for one object, with the reservation of its memory.
#[derive(Debug)]
pub struct Admission {
    _permit: Permit,
    _kept: Reservation,
    _descriptor: Option<Permit>,
}

impl Admission {
    /// Reserves `bytes` in the tenant's account for an object whose permit was acquired. None if the account has no room.
    pub fn of(permit: Permit, memory: &ByteBudget, bytes: u64) -> Option<Admission> {
        Some(Admission { _permit: permit, _kept: memory.reserve(bytes)?, _descriptor: None })
    }

    /// Adds the permit of the object's file descriptor.
    pub fn with_descriptor(self, descriptor: Permit) -> Admission {
        Admission { _descriptor: Some(descriptor), ..self }
    }
}

/// Admits a name in use: one of the tenant's names, and memory for it.
///
/// Returns none if either limit is reached.
pub(crate) fn name(names: &Semaphore, memory: &ByteBudget, name: &str) -> Option<Admission> {
    let bytes = CHANNEL_BYTES.saturating_add(length(name));
    Admission::of(names.try_acquire()?, memory, bytes)
}

/// The length of a text in bytes.
pub(crate) fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
