//! What is on its way out: programs of earlier versions, and what has stayed for too long.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::engine::sandbox::Sandbox;

/// A program of an earlier version. It is told that it stops, keeps what it has begun, and ends when nothing is left of that.
pub(in crate::reactor) struct Leaving {
    pub(in crate::reactor) instance: InstanceId,
    /// The place of its plugin.
    pub(in crate::reactor) plugin: usize,
    /// Whether `lifecycle.stopped` is under way.
    pub(in crate::reactor) is_told: bool,
    /// Whether what is left of it is not waited for any more, but for its connections, which are being closed.
    pub(in crate::reactor) is_late: bool,
    /// Who begins when it has ended.
    pub(in crate::reactor) successor: Option<Successor>,
}

/// The next version of a program, which begins when the one before has ended.
pub(in crate::reactor) struct Successor(pub(in crate::reactor) Option<Box<Sandbox>>);

/// Something that is to end, and has its tenant's turn for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Overstay {
    /// An instance: a process ends, the connections of any other are closed.
    Instance(InstanceId),
    /// A connection is closed.
    Connection(ConnectionId),
    /// What an instance has accepted is drained until then.
    Draining(InstanceId, Moment),
    /// What an instance has accepted and is being drained is cut off.
    Drained(InstanceId),
}
