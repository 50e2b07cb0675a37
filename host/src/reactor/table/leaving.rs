//! What is retiring after a reload: programs of earlier versions, and what has exceeded its deadline.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::engine::sandbox::Sandbox;

/// A program of an earlier version. It gets `stopping`, keeps its connections and timers, and ends when none are left.
pub(in crate::reactor) struct Leaving {
    pub(in crate::reactor) instance: InstanceId,
    /// The index of its plugin.
    pub(in crate::reactor) plugin: usize,
    /// Whether `lifecycle.stopped` was delivered.
    pub(in crate::reactor) is_told: bool,
    /// Whether its deadline has passed: only its connections, which are being closed, are still waited for.
    pub(in crate::reactor) is_late: bool,
    /// The program that starts when it has ended.
    pub(in crate::reactor) successor: Option<Successor>,
}

/// The next version of a program, which starts when the one before has ended.
pub(in crate::reactor) struct Successor(pub(in crate::reactor) Option<Box<Sandbox>>);

/// Something whose deadline has passed, to be ended in its tenant's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Overstay {
    /// An instance: a process is ended, the connections of any other are closed.
    Instance(InstanceId),
    /// A connection, to be closed.
    Connection(ConnectionId),
    /// The accepted connections of an instance, to be drained until this time.
    Draining(InstanceId, Moment),
    /// The accepted connections of an instance that are being drained, to be cut off.
    Drained(InstanceId),
}
