//! Locks of tests: a thread that is watched tells how much it has done under each, and can be held up at one.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use sandloop_testkit::heap;
use sandloop_testkit::heap::Traffic;

/// How long a thread is held up if nobody lets it go on: who waits for it by then waits in vain.
const HELD_UP_MAX: Duration = Duration::from_secs(20);
/// More files than have locks, so that nothing is allocated under one.
const FILES_MAX: usize = 128;

thread_local! {
    static WATCH: RefCell<Option<LockWatch>> = const { RefCell::new(None) };
}

/// What is seen on one thread.
struct LockWatch {
    seen: Vec<SeenUnder>,
    stall: Option<Stall>,
}

/// What a thread has done under the locks of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenUnder {
    /// The file, from `host/src`.
    pub file: &'static str,
    /// The most that was taken from the heap and given back while one was held.
    pub longest: Traffic,
}

/// Where a thread is held up, once: the first lock of a file.
pub(crate) struct Stall {
    /// The file, from `host/src`.
    pub file: &'static str,
    /// Before it has the lock, or when it has it.
    pub at: StallPoint,
    /// Told when it is.
    pub reached: Sender<()>,
    /// It goes on when this says so, or is gone.
    pub go_on: Receiver<()>,
}

/// Where at a lock a thread is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StallPoint {
    /// It wants it.
    Wants,
    /// It has it.
    Holds,
}

/// Watches the present thread while it does `work`; what it did under locks.
pub(crate) fn watch<T>(stall: Option<Stall>, work: impl FnOnce() -> T) -> (T, Vec<SeenUnder>) {
    let watch = LockWatch { seen: Vec::with_capacity(FILES_MAX), stall };
    WATCH.set(Some(watch));
    let done = work();
    let seen = WATCH.take().map(|watch| watch.seen).unwrap_or_default();
    (done, seen)
}

/// A lock that is held, and what the heap had done before.
struct LockHold {
    file: &'static str,
    before: Traffic,
}

impl LockHold {
    fn begins(file: &'static str) -> LockHold {
        hold_up(file, StallPoint::Holds);
        LockHold { file, before: heap::traffic() }
    }

    fn end(&mut self) {
        let done = heap::traffic().since(self.before);
        let _ = WATCH.try_with(|watch| {
            if let Some(watch) = &mut *watch.borrow_mut() {
                watch.note(self.file, done);
            }
        });
    }

    fn begin_again(&mut self) {
        self.before = heap::traffic();
    }
}

impl LockWatch {
    fn note(&mut self, file: &'static str, done: Traffic) {
        match self.seen.iter_mut().find(|seen| seen.file == file) {
            Some(seen) => seen.longest = seen.longest.max(done),
            None => self.seen.push(SeenUnder { file, longest: done }),
        }
    }
}

/// The file of a lock, from `host/src`.
fn file_of(location: &'static Location<'static>) -> &'static str {
    let path = location.file();
    path.rsplit_once("host/src/").map_or(path, |(_, file)| file)
}

fn hold_up(file: &'static str, at: StallPoint) {
    let is_here = |stall: &Stall| stall.file == file && stall.at == at;
    let stall = WATCH.try_with(|watch| {
        let mut watch = watch.borrow_mut();
        watch.as_mut().and_then(|watch| watch.stall.take_if(|stall| is_here(stall)))
    });
    if let Ok(Some(Stall { reached, go_on, .. })) = stall {
        let _ = reached.send(());
        let _ = go_on.recv_timeout(HELD_UP_MAX);
    }
}

/// A mutex that is watched.
#[derive(Default)]
pub(crate) struct Mutex<T: ?Sized>(parking_lot::Mutex<T>);

/// A lock for readers and writers that is watched.
#[derive(Default)]
pub(crate) struct RwLock<T: ?Sized>(parking_lot::RwLock<T>);

/// What tells threads that wait under a mutex.
#[derive(Debug, Default)]
pub(crate) struct Condvar(parking_lot::Condvar);

/// A guard of either.
pub struct WatchedGuard<G> {
    hold: LockHold,
    guard: G,
}

/// Of a mutex.
pub(crate) type MutexGuard<'a, T> = WatchedGuard<parking_lot::MutexGuard<'a, T>>;

impl<T> Mutex<T> {
    /// Guards a value.
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for it.
    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let file = file_of(Location::caller());
        hold_up(file, StallPoint::Wants);
        let guard = self.0.lock();
        WatchedGuard { hold: LockHold::begins(file), guard }
    }

    /// If nobody has it.
    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = self.0.try_lock()?;
        Some(WatchedGuard { hold: LockHold::begins(file_of(Location::caller())), guard })
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Lets whoever waits have it before.
    pub fn bump(guard: &mut MutexGuard<'a, T>) {
        guard.hold.end();
        parking_lot::MutexGuard::bump(&mut guard.guard);
        guard.hold.begin_again();
    }
}

impl<T> RwLock<T> {
    /// Guards a value.
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock(parking_lot::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits for writers.
    #[track_caller]
    pub(crate) fn read(&self) -> WatchedGuard<parking_lot::RwLockReadGuard<'_, T>> {
        let file = file_of(Location::caller());
        hold_up(file, StallPoint::Wants);
        let guard = self.0.read();
        WatchedGuard { hold: LockHold::begins(file), guard }
    }

    /// Waits for everybody.
    #[track_caller]
    pub(crate) fn write(&self) -> WatchedGuard<parking_lot::RwLockWriteGuard<'_, T>> {
        let file = file_of(Location::caller());
        hold_up(file, StallPoint::Wants);
        let guard = self.0.write();
        WatchedGuard { hold: LockHold::begins(file), guard }
    }
}

impl Condvar {
    /// Nobody waits.
    pub(crate) const fn new() -> Condvar {
        Condvar(parking_lot::Condvar::new())
    }

    /// Wakes one.
    pub(crate) fn notify_one(&self) -> bool {
        self.0.notify_one()
    }

    /// Wakes all.
    pub(crate) fn notify_all(&self) -> usize {
        self.0.notify_all()
    }

    /// Waits to be woken.
    pub(crate) fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.hold.end();
        self.0.wait(&mut guard.guard);
        guard.hold.begin_again();
    }

    /// Waits to be woken, for a time.
    pub(crate) fn wait_for<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        time: Duration,
    ) -> parking_lot::WaitTimeoutResult {
        guard.hold.end();
        let waited = self.0.wait_for(&mut guard.guard, time);
        guard.hold.begin_again();
        waited
    }

    /// Waits while it is so.
    pub(crate) fn wait_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) {
        guard.hold.end();
        self.0.wait_while(&mut guard.guard, condition);
        guard.hold.begin_again();
    }

    /// Waits while it is so, for a time.
    pub(crate) fn wait_while_for<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        time: Duration,
    ) -> parking_lot::WaitTimeoutResult {
        guard.hold.end();
        let waited = self.0.wait_while_for(&mut guard.guard, condition, time);
        guard.hold.begin_again();
        waited
    }
}

impl<G: Deref> Deref for WatchedGuard<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for WatchedGuard<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

impl<G> Drop for WatchedGuard<G> {
    fn drop(&mut self) {
        // Its lock is given back behind this.
        self.hold.end();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn what_is_done_under_a_lock_is_seen() {
        let lock = Mutex::new(Vec::new());
        let ((), seen) = watch(None, || {
            black_box(vec![0_u8; 5000]);
            lock.lock().extend_from_slice(&[0_u8; 1000]);
            let mut held = lock.lock();
            MutexGuard::bump(&mut held);
        });
        let [SeenUnder { file, longest }] = seen[..] else { panic!("{seen:?}") };
        assert_eq!(file, "base/lock/watched.rs");
        assert_eq!((longest.pieces, longest.bytes), (1, 1000));
    }

    #[test]
    fn a_thread_is_held_up_once_where_it_is_to_be() {
        for (at, is_free) in [(StallPoint::Wants, true), (StallPoint::Holds, false)] {
            let lock = Mutex::new(());
            let ((reached, arrives), (goes, go_on)) = (channel(), channel());
            let file = "base/lock/watched.rs";
            thread::scope(|scope| {
                let stall = Stall { file, at, reached, go_on };
                let held_up = scope.spawn(|| watch(Some(stall), || drop((lock.lock(), 1))).1);
                arrives.recv().expect("it arrives");
                assert_eq!(lock.try_lock().is_some(), is_free, "{at:?}");
                drop(goes);
                assert_eq!(held_up.join().expect("no panic").len(), 1);
            });
        }
    }
}
