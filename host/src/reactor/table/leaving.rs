//! What is retiring after a reload: programs of earlier versions, and what has exceeded its deadline; and peers of UDP sockets
//! that are closed.

use std::sync::Arc;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::engine::sandbox::Sandbox;
use crate::mail::message::Message;
use crate::reactor::table::drain::DrainCause;

/// A program of an earlier version. It gets `stopping`, keeps its connections and timers, and ends when none are left.
pub(in crate::reactor) struct Leaving {
    pub(in crate::reactor) instance: InstanceId,
    /// The index of its plugin.
    pub(in crate::reactor) plugin: usize,
    /// Whether `lifecycle.stopped` was delivered.
    pub(in crate::reactor) is_told: bool,
    /// Whether its deadline has passed: only its connections, which are being closed, are still waited for.
    pub(in crate::reactor) is_late: bool,
    /// How far it is with its state.
    pub(in crate::reactor) save: SaveStep,
    /// Who waits for it to begin.
    pub(in crate::reactor) successor: Option<Successor>,
}

/// How far a program is with the state that it hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum SaveStep {
    /// Nobody wants it.
    Unwanted,
    /// It is asked for when nothing is left that could change it.
    Wanted,
    /// `handover-handler.save` is under way.
    Asked,
    /// It has answered.
    Answered,
}

/// The next version of a program, which waits for the one before.
pub(in crate::reactor) struct Successor {
    /// The next version, once that is known.
    pub(in crate::reactor) sandbox: Option<Box<Sandbox>>,
    /// When it begins.
    pub(in crate::reactor) begins: Begins,
    /// What it gets of the version before.
    pub(in crate::reactor) state: Option<Arc<Message>>,
}

/// When the next version of a program begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Begins {
    /// When the one before has saved its state.
    AfterSave,
    /// When the one before has ended.
    AfterEnd,
}

/// The last state that a version of a program has saved, for as long as it may come back.
pub(in crate::reactor) struct KeptState {
    /// Which version it was given to.
    pub(in crate::reactor) generation: u32,
    pub(in crate::reactor) state: Arc<Message>,
    /// Whether that has taken it: then what it saves itself counts, be it nothing.
    pub(in crate::reactor) is_taken: bool,
}

/// Something whose deadline has passed, to be ended in its tenant's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Overstay {
    /// An instance: a process is ended, the connections of any other are closed.
    Instance(InstanceId),
    /// A connection, to be closed.
    Connection(ConnectionId),
    /// The accepted connections of an instance, to be drained until this time.
    Draining(InstanceId, Moment),
    /// An instance of an earlier version, whose connections are to be drained until this time.
    Retiring(InstanceId, Moment),
    /// A connection, to be drained until this time.
    Drain(ConnectionId, DrainCause, Moment),
    /// The accepted connections of an instance that are being drained, to be cut off.
    Drained(InstanceId),
    /// A connection, to be closed after what was sent.
    Close(ConnectionId),
    /// A connection, to be cut off.
    Cut(ConnectionId),
    /// The connection of a peer whose UDP socket is closed, to be ended.
    Peer(ConnectionId),
}
