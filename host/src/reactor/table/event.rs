//! What is told to an instance.

use std::sync::Arc;

use crate::base::arena::ConnectionId;
use crate::contract::outcome::ExitReason;
use crate::mail::message::Message;
use crate::mail::post::{Deferred, Handout};

/// What waits for an instance, or goes straight in when nothing does.
#[derive(Debug)]
pub enum Event {
    /// `lifecycle.prepare`, for an instance that is made while the loop runs.
    Prepare,
    /// `lifecycle.start`.
    Start,
    /// `lifecycle.stopping`.
    Stopping,
    /// `lifecycle.stopped`.
    Stopped,
    /// The constructor and `post-init`.
    Open(ConnectionId),
    /// `connection-completed`.
    Completed(ConnectionId),
    /// There is something to read, and there was more to do before.
    Readable(ConnectionId),
    /// `drained`.
    Drained(ConnectionId),
    /// `unbind`.
    Unbind(ConnectionId),
    /// A timer is due.
    Timer(u32),
    /// A tick is due.
    Tick(u32),
    /// A deferred job has ended.
    Deferred(Deferred),
    /// A message for a subscription.
    Message {
        /// Which one.
        subscription: u32,
        /// The message, which others get too.
        message: Arc<Message>,
    },
    /// An item for a pop.
    Popped {
        /// Which one.
        pop: u32,
        /// The item, which goes back unless it is taken.
        item: Handout,
    },
    /// A process begins.
    Spawned {
        /// What it is to be.
        name: String,
        /// What it is given.
        argument: Message,
    },
    /// There is something in the mailbox.
    Notified,
    /// A process that this instance has spawned has ended.
    Exited {
        /// Which one.
        process: u32,
        /// Why.
        reason: ExitReason,
    },
}
