//! The thread that measures slices: it moves the engine's epoch while handlers run and sleeps otherwise.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::base::lock::Mutex;

/// Moves the epoch of an engine every slice. Dropping it stops and joins the thread.
#[derive(Debug)]
pub struct Ticker {
    shared: Arc<TickerShared>,
    thread: Option<JoinHandle<()>>,
}

/// The reactors' handle of the ticker, used when they enter a guest. Clones share the ticker.
#[derive(Debug, Clone)]
pub struct Activity(Arc<TickerShared>);

/// While it exists a guest may run, and the ticker does not sleep.
#[derive(Debug)]
#[must_use = "the guest is measured while it lives"]
pub struct Entered<'a>(&'a TickerShared);

#[derive(Debug, Default)]
struct TickerShared {
    /// The number of guests that may be running, in the low bits, and above them a counter of entries.
    entries: AtomicU64,
    /// Whether the thread sleeps until the next entry.
    parked: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<std::thread::Thread>,
    watched: WatchList,
}

#[derive(Default)]
struct WatchList(Mutex<Vec<Weak<dyn Watched>>>);

/// An object that the ticker checks once a slice while a guest may run, and [`CLOSE_LOOKS_IN_A_SLICE`] times while a guest is
/// in its first slice: waking a thread costs as much as many calls, and most guests have returned by the next check.
pub trait Watched: Send + Sync {
    /// Checks; returns whether it is to be checked more often. Called on the ticker's thread; must not block.
    fn look(&self) -> bool;
}

/// The number of checks per slice of a guest that is watched closely.
pub const CLOSE_LOOKS_IN_A_SLICE: u32 = 2;

/// The number of slices without any guest after which the ticker sleeps. Waking it costs a system call, so it stays awake
/// over the short gaps of a busy loop.
const IDLE_SLICES: u32 = 20;

/// Adds one running guest: there is at most one for each thread.
const RUNNING: u64 = 1;
/// Adds one entry. The counter may wrap around: only a change of it matters.
const ENTRY: u64 = 1 << 16;

/// The time without a running guest.
#[derive(Debug, Default)]
struct Idle {
    seen: u64,
    slices: u32,
}

impl Idle {
    /// Counts another slice. A guest that still runs is not idleness, however long ago it was entered: its thread may have waited
    /// for a core, and its slice begins when it gets one.
    fn has_passed(&mut self, entries: u64) {
        let idle = entries == self.seen && entries.is_multiple_of(ENTRY);
        self.slices = if idle { self.slices + 1 } else { 0 };
        self.seen = entries;
    }

    fn is_long(&self) -> bool {
        IDLE_SLICES <= self.slices
    }
}

impl Ticker {
    /// Starts the thread.
    pub fn spawn(engine: EngineWeak, slice: Duration) -> std::io::Result<Ticker> {
        let shared = Arc::new(TickerShared::default());
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("ticker".into())
            .spawn(move || of_thread.run(&engine, slice))?;
        // Set before any guest is entered, so that `enter` always finds it.
        let _ = shared.thread.set(thread.thread().clone());
        Ok(Ticker { shared, thread: Some(thread) })
    }

    /// The handle for reactors.
    pub fn activity(&self) -> Activity {
        Activity(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there was reported by the panic hook; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

impl WatchList {
    fn look(&self) -> bool {
        let mut watched = self.0.lock();
        watched.retain(|watched| watched.strong_count() != 0);
        let looks = watched.iter().filter_map(Weak::upgrade).map(|watched| watched.look());
        looks.fold(false, |any, closely| any | closely)
    }
}

impl std::fmt::Debug for WatchList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WatchList")
    }
}

impl Activity {
    /// Adds an object to be checked for as long as it lives.
    pub fn watch(&self, watched: Weak<dyn Watched>) {
        self.0.watched.0.lock().push(watched);
    }

    /// To be called before each entry into a guest and each resumption; the result is held until the guest has returned or is
    /// suspended.
    pub fn enter(&self) -> Entered<'_> {
        // Sequentially consistent on both sides: either the ticker sees the entry before it parks, or this
        // sees that it has parked.
        self.0.entries.fetch_add(ENTRY + RUNNING, Ordering::SeqCst);
        if self.0.parked.load(Ordering::SeqCst)
            && self.0.parked.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.0.thread.get()
        {
            thread.unpark();
        }
        Entered(&self.0)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.entries.fetch_sub(RUNNING, Ordering::Release);
    }
}

impl TickerShared {
    fn run(&self, engine: &EngineWeak, slice: Duration) {
        let mut idle = Idle::default();
        let step = slice / CLOSE_LOOKS_IN_A_SLICE;
        let (mut closely, mut steps) = (false, 0);
        while !self.stop.load(Ordering::SeqCst) {
            // Until the next slice, or the next check.
            let slept = if closely { 1 } else { CLOSE_LOOKS_IN_A_SLICE - steps };
            std::thread::sleep(step * slept);
            closely = self.watched.look();
            steps += slept;
            if steps < CLOSE_LOOKS_IN_A_SLICE {
                continue;
            }
            steps = 0;
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
            idle.has_passed(self.entries.load(Ordering::SeqCst));
            if idle.is_long() {
                self.park(idle.seen);
                idle = Idle::default();
            }
        }
    }

    /// Sleeps until the next entry, unless there was one after `seen`.
    fn park(&self, seen: u64) {
        self.parked.store(true, Ordering::SeqCst);
        let entered_meanwhile = self.entries.load(Ordering::SeqCst) != seen;
        if entered_meanwhile || self.stop.load(Ordering::SeqCst) {
            self.parked.store(false, Ordering::SeqCst);
            return;
        }
        while self.parked.load(Ordering::SeqCst) && !self.stop.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the ticker may sleep after `slices` slices.
    fn may_sleep_after(slices: u32, idle: &mut Idle, activity: &Activity) -> bool {
        for _ in 0..slices {
            idle.has_passed(activity.0.entries.load(Ordering::SeqCst));
        }
        idle.is_long()
    }

    fn activity() -> (Activity, Idle) {
        (Activity(Arc::new(TickerShared::default())), Idle::default())
    }

    #[test]
    fn it_lingers_and_then_sleeps() {
        let (activity, mut idle) = activity();
        assert!(!may_sleep_after(IDLE_SLICES - 1, &mut idle, &activity));
        drop(activity.enter());
        assert!(!may_sleep_after(IDLE_SLICES, &mut idle, &activity), "the first saw the entry");
        assert!(may_sleep_after(1, &mut idle, &activity));
    }

    /// Its thread may wait for a core between the entry and the guest's first instruction: were the ticker asleep by then,
    /// nothing would end the guest's slice.
    #[test]
    fn a_guest_that_was_entered_long_ago_keeps_it_awake() {
        let (activity, mut idle) = activity();
        let entered = activity.enter();
        assert!(!may_sleep_after(IDLE_SLICES * 100, &mut idle, &activity));
        // Another one that comes and goes does not change that.
        drop(activity.enter());
        assert!(!may_sleep_after(IDLE_SLICES * 100, &mut idle, &activity));
        drop(entered);
        assert!(may_sleep_after(IDLE_SLICES + 1, &mut idle, &activity));
    }

    #[test]
    fn it_does_not_fall_asleep_over_an_entry() {
        let (activity, mut idle) = activity();
        assert!(may_sleep_after(IDLE_SLICES, &mut idle, &activity));
        let entered = activity.enter();
        // It returns.
        activity.0.park(idle.seen);
        assert!(!activity.0.parked.load(Ordering::SeqCst));
        drop(entered);
    }
}
