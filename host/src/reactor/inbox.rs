//! The only way into a reactor from another thread.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::{Registry, Waker};

use super::{ConnectionId, InstanceId, Source};
use crate::deferred::Deferred;
use crate::host_api::ExitReason;
use crate::outbound::Attempt;
use crate::plugin::sandbox::Finished;
use crate::tenant::channels::Delivery;
use crate::tenant::queues::Handout;

/// What another thread can send.
#[derive(Debug)]
pub enum Mail {
    /// Stop gracefully.
    Stop,
    /// A call has come to its end in the slow lane.
    Returned {
        /// Whose.
        instance: InstanceId,
        /// How it went.
        finished: Box<Finished>,
    },
    /// There is room for another instance.
    Room,
    /// Plugins were parked and are not any more.
    Unpark,
    /// The addresses of a name that a connection waits for; empty when it has none.
    Resolved {
        /// Which connection.
        connection: ConnectionId,
        /// Where it may be found.
        addresses: VecDeque<Attempt>,
    },
    /// A deferred job has ended.
    Deferred(Deferred),
    /// Something was pushed to a channel.
    Message(Delivery),
    /// An item for a pop.
    Popped {
        /// Who asked.
        instance: InstanceId,
        /// Its own number for it.
        pop: u32,
        /// The item.
        item: Handout,
    },
    /// Something was put into the mailbox of a process.
    Notified {
        /// Which one.
        process: u32,
    },
    /// A process has ended.
    Exited {
        /// Which one.
        process: u32,
        /// The instance that spawned it.
        parent: InstanceId,
        /// Why.
        reason: ExitReason,
    },
}

/// Sends to one reactor. Clones reach the same.
#[derive(Debug, Clone)]
pub struct Post(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    sender: Sender<Mail>,
    bell: Arc<Bell>,
}

/// Where an instance is.
#[derive(Debug, Clone)]
pub struct Address {
    /// Its reactor, from 0.
    pub reactor: usize,
    /// The way there.
    pub post: Post,
    /// Which of the reactor's instances.
    pub instance: InstanceId,
}

/// Wakes the poll of one reactor, once for any number of rings until they are heard.
#[derive(Debug)]
struct Bell {
    waker: Waker,
    rung: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        if self.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Err(error) = self.waker.wake() {
            // An eventfd can only fail when the process has no descriptors or memory left; the loop still
            // takes its mail at the next event.
            tracing::error!(%error, "a reactor cannot be woken");
        }
    }

    /// To be called before what was rung for is looked at.
    fn hear(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}

/// What a reactor takes its mail from.
///
/// The channel itself has no bound because what is sent has: one answer for each look-up or job that is asked, of
/// which a bounded number is taken, messages that a [`Meter`](crate::meter::Meter) has counted, and a stop.
#[derive(Debug)]
pub struct Inbox {
    receiver: Receiver<Mail>,
    post: Post,
    bell: Arc<Bell>,
}

impl Post {
    /// Sends. A reactor that has ended needs nothing any more.
    pub fn send(&self, mail: Mail) {
        // What it would have got is dropped, which gives back what it counted.
        let _ = self.try_send(mail);
    }

    /// As [`Post::send`]; hands the mail back when the reactor has ended.
    pub fn try_send(&self, mail: Mail) -> Result<(), Mail> {
        self.0.sender.send(mail).map_err(|error| error.0)?;
        self.0.bell.ring();
        Ok(())
    }
}

impl Inbox {
    /// An inbox that wakes the poll of `registry`.
    pub fn new(registry: &Registry) -> io::Result<Inbox> {
        let waker = Waker::new(registry, Source::Waker.into())?;
        let bell = Arc::new(Bell { waker, rung: AtomicBool::new(false) });
        let (sender, receiver) = channel();
        Ok(Inbox { receiver, post: Post(Arc::new(Slot { sender, bell: bell.clone() })), bell })
    }

    /// What other threads need.
    pub fn post(&self) -> Post {
        self.post.clone()
    }

    /// Everything that has come so far.
    pub fn take_all(&self) -> impl Iterator<Item = Mail> {
        self.bell.hear();
        self.receiver.try_iter()
    }
}
