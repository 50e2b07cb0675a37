//! What the host keeps on a tenant's behalf besides linear memory, messages and outboxes, and what each such thing
//! counts in the tenant's account.
//!
//! The numbers are what the host's tables take for one, rounded up: an account is for bounds and not for bookkeeping.

use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::semaphore::{Permit, Semaphore};

/// A timer: its id, its deadline, and its place among the others.
pub const TIMER_BYTES: u64 = 512;
/// A tick that waits.
pub const TICK_BYTES: u64 = 192;
/// A subscription, with the name of its channel twice.
pub const SUBSCRIPTION_BYTES: u64 = 512;
/// A pop that waits, with the name of its queue twice.
pub const POP_BYTES: u64 = 512;
/// A deferred job, besides what it is given and what comes of it.
pub const JOB_BYTES: u64 = 512;
/// A channel or a queue that is in use, besides its name and what waits in it.
pub const CHANNEL_BYTES: u64 = 2048;
/// A handle of a guest's on something of the host's.
pub const HANDLE_BYTES: u64 = 256;
/// A connection, besides its outbox.
pub const CONNECTION_BYTES: u64 = 2048;
/// The TLS of a connection: its keys, a record that has not come whole, and one that has not gone out.
pub const TLS_BYTES: u64 = 48 << 10;
/// A datagram that waits for its handler, besides what it carries.
pub const DATAGRAM_BYTES: u64 = 256;
/// A file on its way out, besides its path and what is in memory of it.
pub const FILE_BYTES: u64 = 512;
/// A file that is watched.
pub const WATCH_BYTES: u64 = 1024;
/// A process, besides its instance and its mail.
pub const PROCESS_BYTES: u64 = 1024;
/// An entry of a folder that was listed, besides its name.
pub const ENTRY_BYTES: u64 = 96;

/// The right to one thing that is limited in number, with the reservation for what the host keeps for it.
#[derive(Debug)]
pub struct Admission {
    _permit: Permit,
    _kept: Reservation,
    _descriptor: Option<Permit>,
}

impl Admission {
    /// One more, with a reservation of `bytes` in the tenant's account. None where the account has no room; the permit is
    /// acquired before.
    pub fn of(permit: Permit, memory: &ByteBudget, bytes: u64) -> Option<Admission> {
        Some(Admission { _permit: permit, _kept: memory.reserve(bytes)?, _descriptor: None })
    }

    /// The same for something that has a file descriptor besides.
    pub fn with_descriptor(self, descriptor: Permit) -> Admission {
        Admission { _descriptor: Some(descriptor), ..self }
    }
}

/// What a name in use takes of the host: one of the tenant's names, and memory for it.
///
/// Returns none where either is used up.
pub fn name(names: &Semaphore, memory: &ByteBudget, name: &str) -> Option<Admission> {
    let bytes = CHANNEL_BYTES.saturating_add(length(name));
    Admission::of(names.try_acquire()?, memory, bytes)
}

/// Bytes of a text.
pub fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
