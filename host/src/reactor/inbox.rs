//! The only way into a reactor from another thread.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use mio::{Registry, Waker};

use super::{ConnectionId, InstanceId, Source};
use crate::outbound::Attempt;

/// What another thread can send.
#[derive(Debug)]
pub enum Mail {
    /// Stop gracefully.
    Stop,
    /// The addresses of a name that a connection waits for; empty when it has none.
    Resolved {
        /// Which connection.
        connection: ConnectionId,
        /// Where it may be found.
        addresses: VecDeque<Attempt>,
    },
}

/// Sends to one reactor. Clones reach the same.
#[derive(Debug, Clone)]
pub struct Post {
    sender: Sender<Mail>,
    waker: Arc<Waker>,
}

/// What a reactor takes its mail from.
///
/// The channel itself has no bound because what is sent has: one answer for each look-up that is asked, of
/// which the resolver takes a bounded number, and a stop.
#[derive(Debug)]
pub struct Inbox {
    receiver: Receiver<Mail>,
    post: Post,
    woken: Arc<Woken>,
}

/// Instances whose suspended call can go on.
#[derive(Debug)]
struct Woken {
    instances: Mutex<Vec<InstanceId>>,
    waker: Arc<Waker>,
}

impl Post {
    /// Sends. A reactor that has ended needs nothing any more.
    pub fn send(&self, mail: Mail) {
        if self.sender.send(mail).is_ok() {
            wake(&self.waker);
        }
    }
}

impl Inbox {
    /// An inbox that wakes the poll of `registry`.
    pub fn new(registry: &Registry) -> io::Result<Inbox> {
        let waker = Arc::new(Waker::new(registry, Source::Waker.into())?);
        let (sender, receiver) = channel();
        let woken = Arc::new(Woken { instances: Mutex::default(), waker: waker.clone() });
        Ok(Inbox { receiver, post: Post { sender, waker }, woken })
    }

    /// What other threads need.
    pub fn post(&self) -> Post {
        self.post.clone()
    }

    /// The next piece of mail, if there is one.
    pub fn take(&self) -> Option<Mail> {
        self.receiver.try_recv().ok()
    }

    /// What wakes a suspended call of this instance.
    pub fn waker_of(&self, instance: InstanceId) -> std::task::Waker {
        Arc::new(InstanceWaker { instance, woken: self.woken.clone() }).into()
    }

    /// The instances that were woken since the last time.
    pub fn take_woken(&self) -> Vec<InstanceId> {
        let mut woken = self.woken.instances.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *woken)
    }
}

struct InstanceWaker {
    instance: InstanceId,
    woken: Arc<Woken>,
}

impl Wake for InstanceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.instances.lock().unwrap_or_else(PoisonError::into_inner).push(self.instance);
        wake(&self.woken.waker);
    }
}

fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        // An eventfd can only fail when the process has no descriptors or memory left; the loop still takes
        // its mail at the next event.
        tracing::error!(%error, "a reactor cannot be woken");
    }
}
