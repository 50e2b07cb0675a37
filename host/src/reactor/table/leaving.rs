//! Retiring after a reload: programs of earlier versions, and instances and connections that have exceeded their deadline; and
//! peers of UDP sockets that are closed.

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
    /// The progress of saving its state.
    pub(in crate::reactor) save: SaveStep,
    /// The next version, which waits for it.
    pub(in crate::reactor) successor: Option<Successor>,
}

/// The progress of saving the state of a retiring program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum SaveStep {
    /// The state is not wanted.
    Unwanted,
    /// The state is requested when nothing is left that could change it.
    Wanted,
    /// `handover-handler.save` is under way.
    Asked,
    /// The program has answered.
    Answered,
}

/// The next version of a program, which waits for the previous one.
pub(in crate::reactor) struct Successor {
    /// Its sandbox, once that is known.
    pub(in crate::reactor) sandbox: Option<Box<Sandbox>>,
    /// When it begins.
    pub(in crate::reactor) begins: Begins,
    /// The state of the previous version.
    pub(in crate::reactor) state: Option<Arc<Message>>,
}

/// When the next version of a program begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Begins {
    /// When the previous version has saved its state.
    AfterSave,
    /// When the previous version has ended.
    AfterEnd,
}

/// The last state that a version of a program has saved, kept while that version may return.
pub(in crate::reactor) struct KeptState {
    /// The version that got it.
    pub(in crate::reactor) generation: u32,
    pub(in crate::reactor) state: Arc<Message>,
    /// Whether that version has taken it: then its own saved state counts, even if there is none.
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
