//! What a sandbox is given to do, and what comes of it.

use std::sync::Arc;

use wasmtime::component::ResourceAny;

use crate::base::arena::ConnectionId;
use crate::contract::bindings::Origin;
use crate::contract::outcome::ExitReason;
use crate::log::text::GuestText;
use crate::mail::message::Message;
use crate::mail::post::NoResult;
use crate::net::connection::{CloseReason, SharedConnection};

/// One event, with everything that the guest is handed.
pub enum Task {
    /// `lifecycle.prepare`.
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
    Open {
        /// Which connection.
        connection: ConnectionId,
        /// Its state, for the guest's handle.
        shared: SharedConnection,
        /// Where it comes from.
        origin: Origin,
        /// Whether the constructor has returned.
        constructed: bool,
    },
    /// `connection-completed`.
    Completed {
        /// Which connection.
        connection: ConnectionId,
        /// Its object in the guest.
        object: ResourceAny,
    },
    /// `receive-data`.
    Data {
        /// Which connection.
        connection: ConnectionId,
        /// Its object in the guest.
        object: ResourceAny,
        /// The reactor's read buffer, which comes back with the call.
        buffer: Vec<u8>,
        /// How much of it was read.
        length: usize,
    },
    /// `drained`.
    Drained {
        /// Which connection.
        connection: ConnectionId,
        /// Its object in the guest.
        object: ResourceAny,
    },
    /// `unbind`, and the end of the object.
    Unbind {
        /// Which connection.
        connection: ConnectionId,
        /// Its object in the guest.
        object: ResourceAny,
        /// The number of its socket handle.
        socket: u32,
        /// Why it ended.
        reason: CloseReason,
    },
    /// `timers-handler.timer-fired`.
    Timer {
        /// Which timer.
        id: u32,
    },
    /// `ticks-handler.tick`.
    Tick {
        /// Which tick.
        id: u32,
    },
    /// `operations.run`, on a worker.
    Operation {
        /// Which operation.
        operation: u32,
        /// What it works on.
        argument: Message,
    },
    /// `deferred-handler.completed`.
    Deferred {
        /// Which job.
        job: u32,
        /// What came of it.
        outcome: Result<Message, NoResult>,
    },
    /// `subscriptions.message`.
    Message {
        /// Which subscription.
        subscription: u32,
        /// The message, which others may get too.
        message: Arc<Message>,
    },
    /// `queues-handler.popped`.
    Popped {
        /// Which pop.
        pop: u32,
        /// Its item.
        item: Message,
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
    Notified {
        /// The message.
        message: Message,
    },
    /// `processes-handler.exited`.
    Exited {
        /// Which process.
        process: u32,
        /// Why.
        reason: ExitReason,
    },
}

/// What a task came to.
pub enum Outcome {
    /// Nothing to tell.
    Done,
    /// A connection's object and the number of its socket handle.
    Opened(ResourceAny, u32),
    /// `lifecycle.prepare`, `lifecycle.start` or `mailbox.spawned` returned this error.
    Refused(GuestText),
    /// The names of `catalog.handlers`.
    Names(Vec<String>),
    /// The result of `operations.run`.
    Result(Result<Vec<u8>, String>),
}

impl Task {
    /// The callback's name, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Task::Prepare => "prepare",
            Task::Handlers => "handlers",
            Task::Start => "start",
            Task::Stopping => "stopping",
            Task::Stopped => "stopped",
            Task::Open { constructed: false, .. } => "constructor",
            Task::Open { constructed: true, .. } => "post-init",
            Task::Completed { .. } => "connection-completed",
            Task::Data { .. } => "receive-data",
            Task::Drained { .. } => "drained",
            Task::Unbind { .. } => "unbind",
            Task::Timer { .. } => "timer-fired",
            Task::Tick { .. } => "tick",
            Task::Operation { .. } => "operation",
            Task::Deferred { .. } => "completed",
            Task::Message { .. } => "message",
            Task::Popped { .. } => "popped",
            Task::Spawned { .. } => "spawned",
            Task::Notified { .. } => "notified",
            Task::Exited { .. } => "exited",
        }
    }

    /// The connection it is about.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Task::Open { connection, .. }
            | Task::Completed { connection, .. }
            | Task::Data { connection, .. }
            | Task::Drained { connection, .. }
            | Task::Unbind { connection, .. } => Some(*connection),
            _ => None,
        }
    }
}
