//! The events of an instance: an event waits in the instance's queue, is passed to the guest with a call, and returns with it.

use std::sync::Arc;

use crate::base::arena::ConnectionId;
use crate::clock::Moment;
use crate::contract::bindings::{Accepted, Origin};
use crate::contract::callback::Callback;
use crate::contract::outcome::{ClusterExit, Drain, ExitReason};
use crate::log::text::GuestText;
use crate::mail::cluster_process::{ChildAdmission, ClusterPid};
use crate::mail::handout::Handout;
use crate::mail::message::Message;
use crate::mail::post::Deferred;
use crate::mail::watch::{Change, WatchFault};
use crate::net::connection::files::FileEnd;
use crate::net::connection::{CloseReason, SharedConnection};
use crate::quota::budget::Reservation;

/// One event, with a variant for each function that a guest exports. It is moved several times on its way, so what is both large
/// and rare is boxed.
#[derive(Debug)]
pub enum Event {
    /// `lifecycle.prepare`, for an instance that is created while the loop runs.
    Prepare,
    /// `catalog.handlers`.
    Handlers,
    /// `lifecycle.start`.
    Start,
    /// `lifecycle.stopping`.
    Stopping,
    /// `lifecycle.stopped`.
    Stopped,
    /// `handover-handler.save`.
    Save,
    /// `handover-handler.restore`.
    Restore(Arc<Message>),
    /// The constructor and `post-init`.
    Open(Box<Opening>),
    /// `connection-completed`.
    Completed(ConnectionId),
    /// `receive-data`.
    Data {
        /// The connection.
        connection: ConnectionId,
        /// The reactor's read buffer, which is returned with the call.
        buffer: Vec<u8>,
        /// The number of bytes in it.
        length: usize,
    },
    /// `receive-data` with a datagram that was queued.
    Datagram {
        /// The connection.
        connection: ConnectionId,
        /// Its data; may be empty.
        bytes: Vec<u8>,
        /// The reservation of its tenant.
        kept: Reservation,
    },
    /// `drained`.
    Drained(ConnectionId),
    /// `proxy-handler.proxy-target-unbound`, to the source.
    ProxyTargetUnbound(ConnectionId),
    /// `proxy-handler.proxy-completed`, to the source.
    ProxyCompleted(ConnectionId),
    /// `files-handler.file-sent`.
    FileSent {
        /// The connection.
        connection: ConnectionId,
        /// The file and its result.
        end: FileEnd,
    },
    /// `watch-handler.file-modified`, `file-moved` or `file-deleted`.
    FileChanged {
        /// The instance's id for the watch.
        watch: u32,
        /// The kind of change.
        change: Change,
    },
    /// `watch-handler.watch-ended`.
    WatchEnded {
        /// The instance's id for the watch.
        watch: u32,
        /// Why watching failed.
        fault: WatchFault,
    },
    /// `tls-handler.completed`.
    Secured(ConnectionId),
    /// `tls-handler.verify-peer`.
    VerifyPeer {
        /// The connection.
        connection: ConnectionId,
        /// The peer's certificate chain.
        chain: Vec<Vec<u8>>,
    },
    /// `drain-handler.draining`.
    Draining {
        /// The connection.
        connection: ConnectionId,
        /// The deadline at which the connection is closed.
        until: Moment,
    },
    /// `unbind`, and the end of the object.
    Unbind {
        /// The connection.
        connection: ConnectionId,
        /// Why it ended.
        reason: CloseReason,
    },
    /// `timers-handler.timer-fired`, with the timer's id.
    Timer(u32),
    /// `ticks-handler.tick`, with the tick's id.
    Tick(u32),
    /// `operations.run`, on a worker.
    Operation {
        /// The id of the operation.
        operation: u32,
        /// Its argument.
        argument: Message,
    },
    /// `deferred-handler.completed`.
    Deferred(Box<Deferred>),
    /// `subscriptions.message`.
    Message {
        /// The instance's id for the subscription.
        subscription: u32,
        /// The message, which may be shared with other subscribers.
        message: Arc<Message>,
    },
    /// `queues-handler.popped`.
    Popped {
        /// The instance's id for the pop.
        pop: u32,
        /// The item, which returns to its queue unless it is delivered.
        item: Box<Handout>,
    },
    /// `mailbox.spawned`.
    Spawned {
        /// The process's id.
        process: u32,
        /// The name given to `spawn`.
        name: String,
        /// The argument given to `spawn`.
        argument: Box<Message>,
    },
    /// `mailbox.notified`.
    Notified(Message),
    /// `processes-handler.exited`, to the instance that spawned the process.
    Exited {
        /// The process's id.
        process: u32,
        /// Why it has ended.
        reason: ExitReason,
    },
    /// `cluster-processes-handler.exited`, to the instance that spawned the process.
    ClusterExited {
        /// The process's id.
        pid: ClusterPid,
        /// Why it has ended.
        reason: ClusterExit,
        /// What it has taken, until this is delivered.
        held: ChildAdmission,
    },
}

/// A connection that is new to its guest.
#[derive(Debug)]
pub struct Opening {
    /// The connection.
    pub connection: ConnectionId,
    /// Its state, for the guest's handle.
    pub shared: SharedConnection,
    /// Where it comes from.
    pub origin: ConnectionOrigin,
    /// Whether the constructor has returned.
    pub constructed: bool,
}

/// Where a connection comes from. What all connections of one listener are told is copied when one of them is, and not while it
/// waits for that: a guest says how much it is for its own listeners, and its peers how many wait.
#[derive(Debug, Clone)]
pub enum ConnectionOrigin {
    /// A listener has accepted it.
    Accepted(Arc<Accepted>),
    /// Its plugin has asked for it, with this token.
    Connected(u32),
}

impl ConnectionOrigin {
    /// As a guest is told.
    pub fn told(&self) -> Origin {
        match self {
            ConnectionOrigin::Accepted(accepted) => Origin::Accepted((**accepted).clone()),
            ConnectionOrigin::Connected(token) => Origin::Connected(*token),
        }
    }
}

/// What an event came to.
pub enum Outcome {
    /// No result.
    Done,
    /// `queues-handler.popped` was not called: its item may be given to another host before it would return.
    NotBegun,
    /// `lifecycle.prepare`, `lifecycle.start`, `handover-handler.restore` or `mailbox.spawned` returned this error.
    Refused(GuestText),
    /// What `handover-handler.save` has for the next version, if it has something.
    Saved(Option<Vec<u8>>),
    /// The names of `catalog.handlers`.
    Names(Vec<String>),
    /// The result of `operations.run`.
    Result(Result<Vec<u8>, String>),
    /// Whether `tls-handler.verify-peer` accepts the peer.
    PeerVerified(bool),
    /// The result of `drain-handler.draining`.
    Drains(Drain),
}

impl Event {
    /// The connection is told to its guest.
    pub fn open(
        connection: ConnectionId,
        shared: SharedConnection,
        origin: ConnectionOrigin,
    ) -> Event {
        Event::Open(Box::new(Opening { connection, shared, origin, constructed: false }))
    }

    /// The callback.
    pub fn callback(&self) -> Callback {
        match self {
            Event::Prepare => Callback::Prepare,
            Event::Handlers => Callback::Handlers,
            Event::Start => Callback::Start,
            Event::Stopping => Callback::Stopping,
            Event::Stopped => Callback::Stopped,
            Event::Save => Callback::Save,
            Event::Restore(_) => Callback::Restore,
            Event::Open(opening) if opening.constructed => Callback::PostInit,
            Event::Open(_) => Callback::Constructor,
            Event::Completed(_) => Callback::ConnectionCompleted,
            Event::Data { .. } | Event::Datagram { .. } => Callback::ReceiveData,
            Event::Drained(_) => Callback::Drained,
            Event::ProxyTargetUnbound(_) => Callback::ProxyTargetUnbound,
            Event::ProxyCompleted(_) => Callback::ProxyCompleted,
            Event::FileSent { .. } => Callback::FileSent,
            Event::FileChanged { change: Change::Modified, .. } => Callback::FileModified,
            Event::FileChanged { change: Change::Moved, .. } => Callback::FileMoved,
            Event::FileChanged { change: Change::Deleted, .. } => Callback::FileDeleted,
            Event::WatchEnded { .. } => Callback::WatchEnded,
            Event::Secured(_) => Callback::TlsCompleted,
            Event::VerifyPeer { .. } => Callback::VerifyPeer,
            Event::Draining { .. } => Callback::Draining,
            Event::Unbind { .. } => Callback::Unbind,
            Event::Timer(_) => Callback::TimerFired,
            Event::Tick(_) => Callback::Tick,
            Event::Operation { .. } => Callback::Operation,
            Event::Deferred(_) => Callback::Completed,
            Event::Message { .. } => Callback::Message,
            Event::Popped { .. } => Callback::Popped,
            Event::Spawned { .. } => Callback::Spawned,
            Event::Notified(_) => Callback::Notified,
            Event::Exited { .. } => Callback::Exited,
            Event::ClusterExited { .. } => Callback::ClusterExited,
        }
    }

    /// The callback's name, for the log.
    pub fn name(&self) -> &'static str {
        self.callback().name()
    }

    /// The connection of the event, if it has one.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Event::Open(opening) => Some(opening.connection),
            Event::Completed(connection)
            | Event::Drained(connection)
            | Event::ProxyTargetUnbound(connection)
            | Event::ProxyCompleted(connection)
            | Event::Secured(connection)
            | Event::VerifyPeer { connection, .. }
            | Event::Data { connection, .. }
            | Event::Datagram { connection, .. }
            | Event::FileSent { connection, .. }
            | Event::Draining { connection, .. }
            | Event::Unbind { connection, .. } => Some(*connection),
            _ => None,
        }
    }
}
