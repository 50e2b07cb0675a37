//! How far a turn has come: each phase can be left for a guest and gone on with.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::contract::bindings::Origin;
use crate::log::text::GuestText;
use crate::mail::post::Delivery;
use crate::net::connection::stream::Stream;
use crate::net::outbound::Target;
use crate::plugin::Plugin;
use crate::quota::host_memory::Admission;
use crate::quota::semaphore::Permit;

/// Connections accepted from one listener in one turn: each makes a sandbox, which others wait for.
const ACCEPTS_PER_TURN: usize = 4;
/// Datagrams received from one socket in one turn.
const DATAGRAMS_PER_TURN: usize = 64;

/// The phase of a turn, and how far it is.
#[derive(Debug)]
pub(in crate::reactor) enum TurnPhase {
    /// Nothing of the turn is done.
    Begin,
    /// Deadlines that are due.
    Timers,
    /// The poll.
    Poll,
    /// Instances that had to wait in an earlier turn.
    Waiting,
    /// What other threads and other instances have sent.
    Mail(MailProgress),
    /// Listeners and connections.
    Sockets(SocketProgress),
    /// What handlers have asked for.
    Pending(PendingProgress),
    /// Ticks that were queued before the phase.
    Ticks,
    /// Connections that are being drained.
    Draining,
    /// Connections that have ended.
    Unbinds,
    /// What is left of instances that have ended.
    GiveBack,
    /// The end of the reactor.
    Stop,
    /// Everything of the turn is done.
    Over {
        /// Whether there is another turn.
        goes_on: bool,
    },
}

/// How far the mail is.
#[derive(Debug)]
pub(in crate::reactor) struct MailProgress {
    pub(in crate::reactor) step: MailStep,
    /// How many instances may still be told something in this turn.
    pub(in crate::reactor) left: usize,
}

/// What of the mail is taken.
#[derive(Debug)]
pub(in crate::reactor) enum MailStep {
    /// Calls that come back from the slow lane.
    Returned,
    /// Messages that were held back, of these tenants.
    HeldBack(VecDeque<usize>),
    /// One of those messages, and the tenants behind it.
    DeliverHeldBack(Delivery, VecDeque<usize>),
    /// The rest of the mail.
    Dispatch,
    /// A message out of it.
    Deliver(Delivery),
}

/// How far the sockets are.
#[derive(Debug)]
pub(in crate::reactor) struct SocketProgress {
    pub(in crate::reactor) doing: SocketStep,
    /// Acceptors that were left over from the last turn.
    pub(in crate::reactor) acceptors: usize,
    /// Whether changes of files were.
    pub(in crate::reactor) watches: bool,
}

/// What is done with one socket.
#[derive(Debug)]
pub(in crate::reactor) enum SocketStep {
    /// Looks for the next one.
    Next,
    /// Connections are accepted.
    Accept(Accepting),
    /// Datagrams are received.
    Receive(Accepting),
    /// A connection is read.
    Read {
        connection: ConnectionId,
        /// How many more times.
        left: usize,
        /// Whether until there is nothing; otherwise a read that does not fill the buffer is taken as the last.
        to_the_end: bool,
    },
}

/// How far the pending actions are.
#[derive(Debug)]
pub(in crate::reactor) struct PendingProgress {
    /// A connection whose plugin has been told of it, and whose attempt begins now.
    pub(in crate::reactor) connecting: Option<Connecting>,
}

/// How far one listener is in its phase.
#[derive(Debug)]
pub(in crate::reactor) struct Accepting {
    pub(in crate::reactor) place: usize,
    /// How many more it may accept in this turn.
    pub(in crate::reactor) left: usize,
    /// One that is accepted. Its instance, if it is made for it, begins before it is told.
    pub(in crate::reactor) accepted: Option<Box<Accepted>>,
}

/// A connection that is accepted, and that no guest knows of yet.
#[derive(Debug)]
pub(in crate::reactor) struct Accepted {
    pub(in crate::reactor) instance: InstanceId,
    pub(in crate::reactor) plugin: Arc<Plugin>,
    pub(in crate::reactor) stream: Stream,
    /// Bytes of the header of the PROXY protocol that it begins with, at most; none where it has none.
    pub(in crate::reactor) header: Option<usize>,
    pub(in crate::reactor) origin: Origin,
    pub(in crate::reactor) handler: GuestText,
    pub(in crate::reactor) admission: Admission,
    /// What it begins with, if it is a peer of a UDP socket.
    pub(in crate::reactor) datagram: Option<FirstDatagram>,
}

/// The datagram that a peer begins with.
#[derive(Debug)]
pub(in crate::reactor) struct FirstDatagram {
    /// The place of the listener.
    pub(in crate::reactor) acceptor: usize,
    pub(in crate::reactor) peer: SocketAddr,
    pub(in crate::reactor) bytes: Vec<u8>,
}

impl Accepting {
    /// Of a listener, as many as one turn allows.
    pub(in crate::reactor) fn new(place: usize) -> Accepting {
        Accepting { place, left: ACCEPTS_PER_TURN, accepted: None }
    }

    /// Of a UDP socket, as many datagrams as one turn allows.
    pub(in crate::reactor) fn datagrams(place: usize) -> Accepting {
        Accepting { place, left: DATAGRAMS_PER_TURN, accepted: None }
    }
}

/// A connection whose plugin is told of it before the attempt begins.
#[derive(Debug)]
pub(in crate::reactor) struct Connecting {
    pub(in crate::reactor) connection: ConnectionId,
    pub(in crate::reactor) target: Target,
    /// Counts the look-up of its name.
    pub(in crate::reactor) lookup: Option<Permit>,
}
