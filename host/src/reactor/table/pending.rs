//! Pending actions.

use std::net::SocketAddr;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::net::outbound::Target;
use crate::quota::host_memory::Admission;
use crate::quota::semaphore::Permit;
use crate::reactor::table::process::SpawnRequest;

/// An action that waits for the phase of pending actions.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Start a prepared program.
    Start(InstanceId),
    /// Open an outgoing connection.
    Connect {
        /// The resources that it holds.
        admission: Admission,
        /// The permit of the look-up of its name.
        lookup: Option<Permit>,
        instance: InstanceId,
        target: Target,
        /// The number by which the plugin recognises the connection.
        token: u32,
        /// The local address, if the plugin has chosen one.
        local: Option<SocketAddr>,
    },
    /// Create a process.
    Spawn(SpawnRequest),
    /// Deliver `drained`: a slow peer has caught up.
    Drained(ConnectionId),
}
