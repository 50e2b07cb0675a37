//! Everything a guest may ask for that is done after it has returned.

use std::time::Duration;

use super::ConnectionId;
use crate::clock::Moment;
use crate::message::Message;
use crate::outbound::Target;
use crate::plugin::Permit;
use crate::processes::Process;

/// What a guest asked for. Left in its [`HostState`](crate::host_api::HostState) and carried out by the
/// reactor in the order it was asked.
#[derive(Debug)]
pub enum Command {
    /// The state of a connection was changed: look at it again.
    Touch {
        /// Which connection.
        id: ConnectionId,
    },
    /// Make an outgoing connection.
    Connect {
        /// It is counted already.
        permit: Permit,
        /// Counts the look-up of its name, if it has one.
        lookup: Option<Permit>,
        /// Where to.
        target: Target,
        /// The plugin's own mark.
        token: u32,
    },
    /// Set a timer. Its id is given and counted already.
    SetTimer {
        /// Its id.
        id: u32,
        /// When it is due first.
        deadline: Moment,
        /// How long after its callback it is due again.
        every: Option<Duration>,
    },
    /// Forget a timer.
    CancelTimer {
        /// Its id.
        id: u32,
    },
    /// Call the plugin in the tick phase. Counted already.
    Tick {
        /// Its id.
        id: u32,
    },
    /// Make a process.
    Spawn {
        /// Its id and its mailbox.
        process: Process,
        /// Of which plugin.
        plugin: usize,
        /// What it is to be.
        name: String,
        /// What it is given.
        argument: Message,
    },
    /// End a process, if this instance has spawned it.
    Kill {
        /// Which one.
        process: u32,
    },
    /// End this process.
    Exit,
    /// Stop the host.
    Stop,
}
