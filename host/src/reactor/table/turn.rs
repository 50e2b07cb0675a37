//! The phases of a turn as values: each can be suspended for a guest and resumed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::engine::event::ConnectionOrigin;
use crate::log::text::GuestText;
use crate::mail::post::Delivery;
use crate::net::connection::stream::Stream;
use crate::net::outbound::Target;
use crate::plugin::Plugin;
use crate::quota::host_memory::Admission;
use crate::quota::semaphore::Permit;

/// The most connections accepted from one listener in a turn: each may need a sandbox, for which others wait.
const ACCEPTS_PER_TURN: usize = 4;
/// The most datagrams received from one socket in a turn.
const DATAGRAMS_PER_TURN: usize = 64;

/// The phase of a turn, with its progress.
#[derive(Debug)]
pub(in crate::reactor) enum TurnPhase {
    Begin,
    /// Due deadlines.
    Timers,
    Poll,
    /// Instances that had to wait in an earlier turn.
    Waiting,
    /// Mail of other threads and instances.
    Mail(MailProgress),
    /// Listeners and connections.
    Sockets(SocketProgress),
    /// Pending actions of handlers.
    Pending(PendingProgress),
    /// Ticks that were queued before the phase.
    Ticks,
    /// Connections that are being drained.
    Draining,
    /// Connections that have ended.
    Unbinds,
    /// Releasing resources of instances that have ended.
    GiveBack,
    /// The stop of the reactor.
    Stop,
    /// The turn is over.
    Over {
        /// Whether there is another turn.
        goes_on: bool,
    },
}

/// The progress of the mail phase.
#[derive(Debug)]
pub(in crate::reactor) struct MailProgress {
    pub(in crate::reactor) step: MailStep,
    /// The number of deliveries that are left in this turn.
    pub(in crate::reactor) left: usize,
}

/// The steps of the mail phase.
#[derive(Debug)]
pub(in crate::reactor) enum MailStep {
    /// Calls that return from the slow lane.
    Returned,
    /// Messages of these tenants that were held back.
    HeldBack(VecDeque<usize>),
    /// Delivering one of those messages, and the tenants after it.
    DeliverHeldBack(Box<Delivery>, VecDeque<usize>),
    /// The rest of the mail.
    Dispatch,
    /// Delivering a message of that.
    Deliver(Box<Delivery>),
}

/// The progress of the phase of the sockets.
#[derive(Debug)]
pub(in crate::reactor) struct SocketProgress {
    pub(in crate::reactor) doing: SocketStep,
    /// The number of acceptors that were left over from the last turn.
    pub(in crate::reactor) acceptors: usize,
    /// Whether changes of watched files were left over.
    pub(in crate::reactor) watches: bool,
}

/// The next step for a socket.
#[derive(Debug)]
pub(in crate::reactor) enum SocketStep {
    /// Take the next socket.
    Next,
    /// Accept connections.
    Accept(Accepting),
    /// Receive datagrams.
    Receive(Accepting),
    /// Read a connection.
    Read {
        connection: ConnectionId,
        /// The number of reads that are left.
        left: usize,
        /// Whether to read until there is nothing; otherwise a read that does not fill the buffer is the last one.
        to_the_end: bool,
    },
}

/// The progress of the phase of pending actions.
#[derive(Debug)]
pub(in crate::reactor) struct PendingProgress {
    /// A connection whose `post-init` was delivered, and whose attempt begins now.
    pub(in crate::reactor) connecting: Option<Connecting>,
}

/// The progress of one listener.
#[derive(Debug)]
pub(in crate::reactor) struct Accepting {
    pub(in crate::reactor) place: usize,
    /// The number of accepts that are left in this turn.
    pub(in crate::reactor) left: usize,
    /// An accepted connection, which is opened after its instance has started.
    pub(in crate::reactor) accepted: Option<Box<Accepted>>,
}

/// An accepted connection that was not delivered to a guest yet.
#[derive(Debug)]
pub(in crate::reactor) struct Accepted {
    pub(in crate::reactor) instance: InstanceId,
    pub(in crate::reactor) plugin: Arc<Plugin>,
    pub(in crate::reactor) stream: Stream,
    /// The longest PROXY protocol header with which it may begin, in bytes; none if it begins without one.
    pub(in crate::reactor) header: Option<usize>,
    pub(in crate::reactor) origin: ConnectionOrigin,
    pub(in crate::reactor) handler: GuestText,
    pub(in crate::reactor) admission: Admission,
    /// The first datagram, if it is a peer of a UDP listener.
    pub(in crate::reactor) datagram: Option<FirstDatagram>,
}

/// The first datagram of a peer.
#[derive(Debug)]
pub(in crate::reactor) struct FirstDatagram {
    /// The slot of the listener.
    pub(in crate::reactor) acceptor: usize,
    pub(in crate::reactor) peer: SocketAddr,
    pub(in crate::reactor) bytes: Vec<u8>,
}

impl Accepting {
    /// For a listener of connections, with the accepts of one turn.
    pub(in crate::reactor) fn new(place: usize) -> Accepting {
        Accepting { place, left: ACCEPTS_PER_TURN, accepted: None }
    }

    /// For a UDP socket, with the datagrams of one turn.
    pub(in crate::reactor) fn datagrams(place: usize) -> Accepting {
        Accepting { place, left: DATAGRAMS_PER_TURN, accepted: None }
    }
}

/// An outgoing connection whose `post-init` is delivered before the attempt begins.
#[derive(Debug)]
pub(in crate::reactor) struct Connecting {
    pub(in crate::reactor) connection: ConnectionId,
    pub(in crate::reactor) target: Target,
    /// The permit of the look-up of its name.
    pub(in crate::reactor) lookup: Option<Permit>,
}
