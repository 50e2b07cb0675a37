//! What waits for its phase of the turn.

use std::net::SocketAddr;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::net::outbound::Target;
use crate::quota::host_memory::Admission;
use crate::quota::semaphore::Permit;
use crate::reactor::table::process::Birth;

/// Something that waits for its phase of the turn.
#[derive(Debug)]
pub enum Pending {
    /// A program that was prepared begins.
    Start(InstanceId),
    /// A guest wants a connection.
    Connect {
        /// It is counted already.
        admission: Admission,
        /// Counts the look-up of its name.
        lookup: Option<Permit>,
        /// Who.
        instance: InstanceId,
        /// Where to.
        target: Target,
        /// The guest's own mark.
        token: u32,
        /// Where from, if that was chosen.
        local: Option<SocketAddr>,
    },
    /// A guest wants a process.
    Spawn(Birth),
    /// A slow peer has caught up.
    Drained(ConnectionId),
}
