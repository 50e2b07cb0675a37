//! What an instance is told: it waits in the instance's queue, goes into the guest with a call, and comes back with it.

use std::sync::Arc;

use crate::base::arena::ConnectionId;
use crate::clock::Moment;
use crate::contract::bindings::Origin;
use crate::contract::callback::Callback;
use crate::contract::outcome::{Drain, ExitReason};
use crate::log::text::GuestText;
use crate::mail::message::Message;
use crate::mail::post::{Deferred, Handout};
use crate::mail::watch::{Change, WatchFault};
use crate::net::connection::files::FileEnd;
use crate::net::connection::{CloseReason, SharedConnection};
use crate::quota::budget::Reservation;

/// One event, a variant for each function that a guest exports.
#[derive(Debug)]
pub enum Event {
    /// `lifecycle.prepare`, for an instance that is made while the loop runs.
    Prepare,
    /// `catalog.handlers`.
    Handlers,
    /// `lifecycle.start`.
    Start,
    /// `lifecycle.stopping`.
    Stopping,
    /// `lifecycle.stopped`.
    Stopped,
    /// The constructor and `post-init`.
    Open(Box<Opening>),
    /// `connection-completed`.
    Completed(ConnectionId),
    /// `receive-data`.
    Data {
        /// The connection.
        connection: ConnectionId,
        /// The reactor's read buffer, which comes back with the call.
        buffer: Vec<u8>,
        /// Bytes of it that were read.
        length: usize,
    },
    /// `receive-data` with a datagram that had to wait.
    Datagram {
        /// The connection.
        connection: ConnectionId,
        /// What it carries; may be empty.
        bytes: Vec<u8>,
        /// Counts it for its tenant.
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
        /// Which file, and what became of it.
        end: FileEnd,
    },
    /// `watch-handler.file-modified`, `file-moved` or `file-deleted`.
    FileChanged {
        /// The instance's number for the watch.
        watch: u32,
        /// What has happened.
        change: Change,
    },
    /// `watch-handler.watch-ended`.
    WatchEnded {
        /// The instance's number for the watch.
        watch: u32,
        /// Why there is nothing to watch.
        fault: WatchFault,
    },
    /// `tls-handler.completed`.
    Secured(ConnectionId),
    /// `tls-handler.verify-peer`.
    VerifyPeer {
        /// The connection.
        connection: ConnectionId,
        /// Its peer's certificates.
        chain: Vec<Vec<u8>>,
    },
    /// `drain-handler.draining`.
    Draining {
        /// The connection.
        connection: ConnectionId,
        /// When what is left of it is cut off.
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
        /// Which operation.
        operation: u32,
        /// What it works on.
        argument: Message,
    },
    /// `deferred-handler.completed`.
    Deferred(Deferred),
    /// `subscriptions.message`.
    Message {
        /// The instance's number for the subscription.
        subscription: u32,
        /// The message, which others may get too.
        message: Arc<Message>,
    },
    /// `queues-handler.popped`.
    Popped {
        /// The instance's number for the pop.
        pop: u32,
        /// The item, which goes back to its queue unless it arrives.
        item: Handout,
    },
    /// `mailbox.spawned`.
    Spawned {
        /// The process's id.
        process: u32,
        /// What it is to be.
        name: String,
        /// What it is given.
        argument: Message,
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
}

/// A connection that its guest is told of for the first time.
#[derive(Debug)]
pub struct Opening {
    /// The connection.
    pub connection: ConnectionId,
    /// Its state, for the guest's handle.
    pub shared: SharedConnection,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether the constructor has returned.
    pub constructed: bool,
}

/// What an event came to.
pub enum Outcome {
    /// Nothing to tell.
    Done,
    /// `lifecycle.prepare`, `lifecycle.start` or `mailbox.spawned` returned this error.
    Refused(GuestText),
    /// The names of `catalog.handlers`.
    Names(Vec<String>),
    /// The result of `operations.run`.
    Result(Result<Vec<u8>, String>),
    /// Whether `tls-handler.verify-peer` takes the peer.
    Judged(bool),
    /// What `drain-handler.draining` says.
    Drains(Drain),
}

impl Event {
    /// The connection is told to its guest.
    pub fn open(connection: ConnectionId, shared: SharedConnection, origin: Origin) -> Event {
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
        }
    }

    /// The callback's name, for the log.
    pub fn name(&self) -> &'static str {
        self.callback().name()
    }

    /// The connection it is about.
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
