//! The mail of reactors: what other threads and instances send to them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::task::Wake;

use mio::Waker;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::lock::{Mutex, MutexGuard};
use crate::contract::outcome::{ClusterExit, ExitReason, Failure};
use crate::mail::cluster_process::{ChildAdmission, ClusterPid};
use crate::mail::handout::Handout;
use crate::mail::inquiry::Inquiry;
use crate::mail::mailboxes::ForeignBirth;
use crate::mail::message::{KEPT_BYTES, Message};
use crate::mail::watch::WatchFault;
use crate::net::connection::files::{FileFault, OpenedFile};
use crate::net::outbound::Attempt;
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::semaphore::Permit;
use crate::quota::term::Term;

/// What other threads and other instances send to a reactor.
#[derive(Debug)]
pub enum Mail {
    /// The addresses of a name that a connection waits for; empty if it has none.
    Resolved { connection: ConnectionId, addresses: VecDeque<Attempt> },
    /// A deferred job has ended.
    Deferred(Box<Deferred>),
    /// A message was pushed to a channel.
    Message(Box<Delivery>),
    /// An item for a pop.
    Popped {
        instance: InstanceId,
        /// The instance's id for the pop.
        pop: u32,
        item: Box<Handout>,
    },
    /// Messages were put into the mailbox of a process.
    Notified {
        process: u32,
        /// The number of new messages.
        messages: usize,
    },
    /// A file thread has opened or read a file that a connection sends.
    File {
        connection: ConnectionId,
        /// The connection's number for the file.
        file: u32,
        news: FileNews,
    },
    /// A file thread has opened a file that an instance watches, or failed.
    Watched {
        instance: InstanceId,
        /// The instance's id for the watch.
        watch: u32,
        /// The file, opened with O_PATH.
        opened: Result<OwnedFd, WatchFault>,
    },
    /// A process has ended.
    Exited {
        process: u32,
        /// The instance that has spawned it.
        parent: InstanceId,
        reason: ExitReason,
    },
    /// Create a process that was spawned in the cluster.
    Born(Box<ForeignBirth>),
    /// End one that was created so.
    KillBorn {
        process: u32,
        /// Its tenant.
        tenant: usize,
    },
    /// A process that an instance has spawned in the cluster has ended.
    ClusterExited {
        pid: ClusterPid,
        /// The instance that has spawned it.
        parent: InstanceId,
        reason: ClusterExit,
        /// What it has taken.
        held: ChildAdmission,
    },
}

/// The result of a file thread for a file that is sent.
#[derive(Debug)]
pub enum FileNews {
    /// It was opened, or could not be.
    Opened(Result<OpenedFile, FileFault>),
    /// The next piece was read; empty at the end of the file.
    Read(Result<Vec<u8>, FileFault>),
}

/// Notices of the host to a reactor, which are handled before all mail.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Stop.
    Stop(StopManner),
    /// A reactor that drains has no accepted connection left.
    NoneAccepted,
    /// An instance slot was freed.
    SlotFreed,
    /// Plugins are no longer held back.
    Resumed,
    /// Drain the plugin with this index.
    DrainPlugin(usize),
    /// An inquiry of the admin thread.
    Asked(Inquiry),
    /// The plugin with this index is parked: it gets no new instances.
    Parked(usize),
    /// A term of a singleton begins here, or has ended.
    Term(Arc<Term>),
}

/// How a stop treats connections in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopManner {
    /// Only queued bytes are sent, as EventMachine's `stop` does.
    Close,
    /// Connections continue until they are idle.
    Drain,
    /// Like `Drain`, but another process has the listeners and accepts what is in their backlogs.
    HandOver,
}

/// Sends to one reactor. Clones reach the same.
#[derive(Debug, Clone)]
pub struct Post(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    notices: Sender<Notice>,
    mail: Sender<Mail>,
    bell: Arc<Bell>,
}

/// The address of an instance.
#[derive(Debug, Clone)]
pub struct Address {
    /// The index of its reactor.
    pub reactor: usize,
    /// The reactor's mail.
    pub post: Post,
    pub instance: InstanceId,
}

/// Wakes the poll of one reactor. Rings until [`Bell::hear`] are merged into one wake-up.
#[derive(Debug)]
pub struct Bell {
    waker: Waker,
    rung: AtomicBool,
    /// Whether a waiting thread wants to know that the loop has turned.
    asked: AtomicBool,
}

impl Bell {
    pub fn new(waker: Waker) -> Bell {
        Bell { waker, rung: AtomicBool::new(false), asked: AtomicBool::new(false) }
    }

    /// Wakes the poll, unless a wake-up is pending.
    pub fn ring(&self) {
        if self.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Err(error) = self.waker.wake() {
            // Fails only if the process has no descriptors or memory left; the loop still takes its mail at the next
            // event.
            tracing::error!(%error, "a reactor cannot be woken");
        }
    }

    /// Ends the pending wake-up; false if there was none. To be called before the mail is checked.
    pub fn hear(&self) -> bool {
        // Who rings has sent before. If it rings after this, the poll is woken once more.
        if !self.rung.load(Ordering::SeqCst) {
            return false;
        }
        self.rung.store(false, Ordering::SeqCst);
        if self.asked.load(Ordering::Relaxed) {
            self.asked.store(false, Ordering::Relaxed);
        }
        true
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Post {
    /// Sends into these channels and rings the bell.
    pub fn new(notices: Sender<Notice>, mail: Sender<Mail>, bell: Arc<Bell>) -> Post {
        Post(Arc::new(Slot { notices, mail, bell }))
    }

    /// Sends a notice. A reactor that has ended ignores it.
    pub fn tell(&self, notice: Notice) {
        if self.0.notices.send(notice).is_ok() {
            self.0.bell.ring();
        }
    }

    /// Wakes the loop for one turn.
    pub fn ask_to_turn(&self) {
        self.0.bell.asked.store(true, Ordering::Relaxed);
        self.0.bell.ring();
    }

    /// Whether the loop has turned since [`Post::ask_to_turn`].
    pub fn has_turned(&self) -> bool {
        !self.0.bell.asked.load(Ordering::Relaxed)
    }

    /// Sends mail. For a reactor that has ended it is dropped.
    pub fn send(&self, mail: Mail) {
        // Dropping the mail releases its reservations.
        let _ = self.try_send(mail);
    }

    /// Like [`Post::send`], but returns the mail if the reactor has ended.
    pub fn try_send(&self, mail: Mail) -> Result<(), Mail> {
        self.0.mail.send(mail).map_err(|error| error.0)?;
        self.0.bell.ring();
        Ok(())
    }
}

/// One subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub instance: InstanceId,
    /// The instance's id for the subscription.
    pub subscription: u32,
}

/// The subscribers of one channel on one reactor, by position in the order of subscription.
#[derive(Debug, Default)]
pub struct Members(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    members: BTreeMap<u64, Member>,
    last: u64,
}

impl Members {
    /// Adds a subscriber; returns its position.
    pub fn add(&self, member: Member) -> u64 {
        let mut places = self.lock();
        places.last += 1;
        let place = places.last;
        places.members.insert(place, member);
        place
    }

    /// Removes the subscriber at a position.
    pub fn remove(&self, place: u64) {
        self.lock().members.remove(&place);
    }

    pub fn len(&self) -> usize {
        self.lock().members.len()
    }

    /// The position of the newest subscriber.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// The first subscriber after the position `after`, up to and including `up_to`.
    fn next(&self, after: u64, up_to: u64) -> Option<(u64, Member)> {
        let range = (Bound::Excluded(after), Bound::Included(up_to));
        let places = self.lock();
        // `range` panics if the start is behind the end.
        let next = (after < up_to).then(|| places.members.range(range).next()).flatten();
        next.map(|(place, member)| (*place, *member))
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock()
    }
}

/// A message for the subscribers on one reactor: those that were subscribed when it was pushed and still are.
#[derive(Debug)]
pub struct Delivery {
    /// The tenant of the channel.
    pub tenant: usize,
    pub message: Arc<Message>,
    pub members: Arc<Members>,
    /// The subscriber that does not get it: the one that has pushed it.
    pub except: Option<Member>,
    /// The position of the last subscriber that gets it.
    pub up_to: u64,
    /// The position of the last subscriber that has got it.
    pub after: u64,
}

impl Delivery {
    /// The next subscriber that gets it, with its position; none when all have got it.
    pub fn next(&self) -> Option<(u64, Member)> {
        self.members.next(self.after, self.up_to)
    }
}

/// The outcome of a deferred job, on its way back.
#[derive(Debug)]
pub struct Deferred {
    pub instance: InstanceId,
    /// The instance's id for the job.
    pub job: u32,
    pub outcome: Result<Message, NoResult>,
    /// The permits of the job, held until its outcome is delivered.
    pub permits: Option<[Permit; 2]>,
}

/// Why a job has no result. The error text of an operation is counted as a result is.
#[derive(Debug)]
pub struct NoResult {
    /// The failure in the contract's type.
    pub failure: Failure,
    _counted: Option<Reservation>,
}

impl NoResult {
    /// The operation returned the error `text`, which is reserved of `messages`. It is bounded as a result is.
    pub fn failed(text: String, bytes_max: u32, messages: &ByteBudget) -> NoResult {
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let fits = bytes <= u64::from(bytes_max);
        let counted = messages.reserve(bytes.saturating_add(KEPT_BYTES)).filter(|_| fits);
        match counted {
            Some(counted) => NoResult { failure: Failure::Failed(text), _counted: Some(counted) },
            None => NoResult::from(Failure::TooLarge),
        }
    }
}

impl From<Failure> for NoResult {
    fn from(failure: Failure) -> NoResult {
        NoResult { failure, _counted: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_operation_count_as_a_result_does() {
        let messages = ByteBudget::new(1200);
        let failed = |bytes: usize| NoResult::failed("x".repeat(bytes), 500, &messages);
        let first = failed(500);
        assert_eq!(first.failure, Failure::Failed("x".repeat(500)));
        assert_eq!(failed(501).failure, Failure::TooLarge, "longer than a message");
        assert_eq!(failed(400).failure, Failure::TooLarge, "no room beside the first");
        drop(first);
        assert_eq!(failed(400).failure, Failure::Failed("x".repeat(400)));
    }
}
