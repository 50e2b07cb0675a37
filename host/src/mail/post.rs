//! The way to another thread's reactor: what can be sent, and to whom.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use mio::Waker;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::contract::outcome::{ExitReason, Failure};
use crate::mail::inquiry::Inquiry;
use crate::mail::message::{KEPT_BYTES, Message};
use crate::mail::watch::WatchFault;
use crate::net::connection::files::{FileFault, OpenedFile};
use crate::net::outbound::Attempt;
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::semaphore::Permit;

/// What another thread can send.
#[derive(Debug)]
pub enum Mail {
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
        /// How many messages.
        messages: usize,
    },
    /// A thread has done its part for a file that a connection sends.
    File {
        /// Which connection.
        connection: ConnectionId,
        /// Which of its files.
        file: u32,
        /// What it has done.
        news: FileNews,
    },
    /// A thread has opened a file that an instance watches, or found why not.
    Watched {
        /// Who asked.
        instance: InstanceId,
        /// Its own number for it.
        watch: u32,
        /// The file; it is open for its name alone.
        opened: Result<OwnedFd, WatchFault>,
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

/// What a thread has done for a file.
#[derive(Debug)]
pub enum FileNews {
    /// It has opened it, or found why not.
    Opened(Result<OpenedFile, FileFault>),
    /// It has read the next piece; nothing at the file's end.
    Read(Result<Vec<u8>, FileFault>),
}

/// What the host itself tells a reactor. It comes before all mail.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Stop.
    Stop(StopManner),
    /// A reactor that drains has no accepted connection left.
    NoneAccepted,
    /// There is room for another instance.
    SlotFreed,
    /// Plugins were held back and are not any more.
    Resumed,
    /// The plugin of this place is drained.
    DrainPlugin(usize),
    /// Somebody who watches the host asks for this.
    Asked(Inquiry),
}

/// What becomes of what is under way where a host stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopManner {
    /// Only what is queued goes out, as EventMachine's `stop` has it.
    Close,
    /// Connections go on until nothing of them is under way.
    Drain,
    /// The same, and another process has the listeners: what waits in their backlogs is left to it.
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
pub struct Bell {
    waker: Waker,
    rung: AtomicBool,
    /// Whether somebody waits to see it heard, however often others ring.
    asked: AtomicBool,
}

impl Bell {
    /// A bell for the poll of this waker.
    pub fn new(waker: Waker) -> Bell {
        Bell { waker, rung: AtomicBool::new(false), asked: AtomicBool::new(false) }
    }

    /// Wakes it, unless it was woken already and has not heard yet.
    pub fn ring(&self) {
        if self.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Err(error) = self.waker.wake() {
            // An eventfd can only fail when the process has no descriptors or memory left; the loop still
            // takes its mail at the next event.
            tracing::error!(%error, "a reactor cannot be woken");
        }
    }

    /// Call it before checking what was rung for.
    pub fn hear(&self) {
        self.rung.store(false, Ordering::SeqCst);
        if self.asked.load(Ordering::Relaxed) {
            self.asked.store(false, Ordering::Relaxed);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Post {
    /// Sends into these channels, and rings.
    pub fn new(notices: Sender<Notice>, mail: Sender<Mail>, bell: Arc<Bell>) -> Post {
        Post(Arc::new(Slot { notices, mail, bell }))
    }

    /// Tells what is the host's own. A reactor that has ended needs nothing any more.
    pub fn tell(&self, notice: Notice) {
        if self.0.notices.send(notice).is_ok() {
            self.0.bell.ring();
        }
    }

    /// Has the loop turn, also where it waits for nothing else.
    pub fn ask_to_turn(&self) {
        self.0.bell.asked.store(true, Ordering::Relaxed);
        self.0.bell.ring();
    }

    /// Whether it has turned since it was asked to.
    pub fn has_turned(&self) -> bool {
        !self.0.bell.asked.load(Ordering::Relaxed)
    }

    /// Sends. A reactor that has ended needs nothing any more.
    pub fn send(&self, mail: Mail) {
        // What it would have got is dropped, which gives back what it counted.
        let _ = self.try_send(mail);
    }

    /// As [`Post::send`]; hands the mail back when the reactor has ended.
    pub fn try_send(&self, mail: Mail) -> Result<(), Mail> {
        self.0.mail.send(mail).map_err(|error| error.0)?;
        self.0.bell.ring();
        Ok(())
    }
}

/// One subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Whose.
    pub instance: InstanceId,
    /// Its own number for it.
    pub subscription: u32,
}

/// The subscribers of one channel on one reactor, each by its place in the order in which they came.
#[derive(Debug, Default)]
pub struct Members(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    members: BTreeMap<u64, Member>,
    last: u64,
}

impl Members {
    /// Adds one; tells its place.
    pub fn add(&self, member: Member) -> u64 {
        let mut places = self.lock();
        places.last += 1;
        let place = places.last;
        places.members.insert(place, member);
        place
    }

    /// Takes the one at a place off.
    pub fn remove(&self, place: u64) {
        self.lock().members.remove(&place);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().members.len()
    }

    /// The place of the last one that came.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// The first one behind a place, up to another one.
    fn next(&self, after: u64, up_to: u64) -> Option<(u64, Member)> {
        let range = (Bound::Excluded(after), Bound::Included(up_to));
        let places = self.lock();
        // A range that begins behind its end is an error of its own there.
        let next = (after < up_to).then(|| places.members.range(range).next()).flatten();
        next.map(|(place, member)| (*place, *member))
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Each change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message for the instances of one reactor that are subscribed, and were when it was pushed.
#[derive(Debug)]
pub struct Delivery {
    /// Whose channel it was pushed to.
    pub tenant: usize,
    /// What they get.
    pub message: Arc<Message>,
    /// Who is subscribed.
    pub members: Arc<Members>,
    /// The one that does not get it.
    pub except: Option<Member>,
    /// The place of the last one that gets it.
    pub up_to: u64,
    /// The place of the last one that has it.
    pub after: u64,
}

impl Delivery {
    /// The next one that gets it, with its place; none when all have it.
    pub fn next(&self) -> Option<(u64, Member)> {
        self.members.next(self.after, self.up_to)
    }
}

/// What came of a job, on its way back.
#[derive(Debug)]
pub struct Deferred {
    /// The asking instance.
    pub instance: InstanceId,
    /// Its number for the job.
    pub job: u32,
    /// The result.
    pub outcome: Result<Message, NoResult>,
    /// Count the job until its outcome is delivered.
    pub permits: Option<[Permit; 2]>,
}

/// Why a job has no result. The words of an operation count as a result does, until the asking instance has them.
#[derive(Debug)]
pub struct NoResult {
    /// As the contract has it.
    pub failure: Failure,
    _counted: Option<Reservation>,
}

impl NoResult {
    /// The operation returned an error: `text`, which counts for `messages`. It is as much too large as a result would be.
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

/// An item on its way to a pop. It goes back into its queue unless it [arrives](Handout::arrive).
#[derive(Debug)]
pub struct Handout {
    queue: Arc<dyn TakeBack>,
    /// The name of the queue, and the item's place in it.
    from: (String, u64),
    item: Option<Message>,
    has_arrived: bool,
}

/// What an item on its way has come from.
pub trait TakeBack: fmt::Debug + Send + Sync {
    /// An item of the queue `name` has arrived.
    fn arrived(&self, name: &str);

    /// An item of the queue `name` was not wanted: its place was `order`.
    fn take_back(self: Arc<Self>, name: &str, order: u64, item: Message);
}

impl Handout {
    /// An item of the queue `from`, which knows it by its name and the item's place.
    pub fn new(queue: Arc<dyn TakeBack>, from: (String, u64), item: Message) -> Handout {
        Handout { queue, from, item: Some(item), has_arrived: false }
    }

    /// The item is the pop's, for good.
    pub fn arrive(&mut self) {
        self.has_arrived = true;
        self.queue.arrived(&self.from.0);
    }

    /// What is in it.
    pub fn data(&self) -> &[u8] {
        self.item.as_ref().map_or(&[], Message::data)
    }

    /// The item, whose queue knows already that it has not arrived.
    pub fn give_back(mut self) -> Option<Message> {
        self.item.take()
    }
}

impl Drop for Handout {
    fn drop(&mut self) {
        if let Some(item) = self.item.take().filter(|_| !self.has_arrived) {
            self.queue.clone().take_back(&self.from.0, self.from.1, item);
        }
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
