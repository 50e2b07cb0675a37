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

/// An object that the ticker checks once a slice while a guest may run, and twice where a guest in its first slice has been found
/// (see `Vigilance`).
pub trait Watched: Send + Sync {
    /// Checks. Called on the ticker's thread; must not block.
    fn look(&self) -> Sight;
}

/// What a check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// No guest in its first slice.
    Nobody,
    /// A guest in its first slice that the check before did not find.
    Arrived,
    /// A guest in its first slice that the check before has found. This check may have relieved its thread.
    Stays,
}

/// The number of checks per slice of a guest that is watched closely.
const CLOSE_LOOKS_IN_A_SLICE: u32 = 2;

/// The number of slices without a close check after one in vain, which found that the guest had returned.
const CALM_SLICES: u32 = 8;

/// It doubles with each further one in vain, up to this.
const CALM_SLICES_MAX: u32 = 128;

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

/// Whether the next check is a close one. Waking this thread costs 20 µs, as much as several calls, and where guests are entered all
/// the time every check finds one, which has nearly always returned by the next.
#[derive(Debug, Default)]
struct Vigilance {
    /// What the last check has found, if the next one is a close one.
    closely: Option<Sight>,
    /// The number of slices until a guest that has just arrived is watched closely again.
    calm: u32,
    /// That number after the last close check in vain; 0 if a guest has stayed since.
    calm_for: u32,
}

impl Vigilance {
    /// After the check at the end of a slice, or after a close one.
    fn found(&mut self, sight: Sight) {
        if self.closely == Some(Sight::Arrived) && sight != Sight::Stays {
            self.calm_for = (2 * self.calm_for).clamp(CALM_SLICES, CALM_SLICES_MAX);
            self.calm = self.calm_for;
        }
        self.closely = match sight {
            Sight::Nobody => None,
            Sight::Arrived => (self.calm == 0).then_some(sight),
            Sight::Stays => {
                (self.calm, self.calm_for) = (0, 0);
                Some(sight)
            }
        };
    }

    fn looks_closely(&self) -> bool {
        self.closely.is_some()
    }

    fn slice_over(&mut self) {
        self.calm = self.calm.saturating_sub(1);
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
    fn look(&self) -> Sight {
        let mut watched = self.0.lock();
        watched.retain(|watched| watched.strong_count() != 0);
        let sights = watched.iter().filter_map(Weak::upgrade).map(|watched| watched.look());
        sights.fold(Sight::Nobody, Sight::max)
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
        let (mut vigilance, mut steps) = (Vigilance::default(), 0);
        while !self.stop.load(Ordering::SeqCst) {
            // Until the next slice, or the next check.
            let slept = if vigilance.looks_closely() { 1 } else { CLOSE_LOOKS_IN_A_SLICE - steps };
            std::thread::sleep(step * slept);
            vigilance.found(self.watched.look());
            steps += slept;
            if steps < CLOSE_LOOKS_IN_A_SLICE {
                continue;
            }
            steps = 0;
            vigilance.slice_over();
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

    /// The number of close checks in this many slices, where each check at the end of a slice finds a guest that has just arrived,
    /// and each close one finds this instead.
    fn close_looks(slices: u32, at_a_close_look: Sight) -> u32 {
        let (mut vigilance, mut close) = (Vigilance::default(), 0);
        for _ in 0..slices {
            if vigilance.looks_closely() {
                vigilance.found(at_a_close_look);
                close += 1;
            }
            vigilance.found(Sight::Arrived);
            vigilance.slice_over();
        }
        close
    }

    #[test]
    fn guests_that_come_and_go_are_rarely_looked_at_closely() {
        // After 8, 16, 32 and 64 slices, and then after 128 each.
        let slices = CALM_SLICES_MAX - CALM_SLICES + 100 * (CALM_SLICES_MAX + 1);
        for another in [Sight::Nobody, Sight::Arrived] {
            let close = close_looks(slices, another);
            assert!((100..=105).contains(&close), "{another:?}: {close}");
        }
        assert!(slices / 2 < close_looks(slices, Sight::Stays));
    }

    #[test]
    fn a_guest_that_stays_is_looked_at_closely_even_in_calm() {
        let mut vigilance = Vigilance::default();
        for sight in [Sight::Arrived, Sight::Nobody, Sight::Arrived] {
            vigilance.found(sight);
        }
        assert!(!vigilance.looks_closely(), "the close look was in vain");
        vigilance.found(Sight::Stays);
        assert!(vigilance.looks_closely());
        // Its thread was relieved: the next that arrives is looked at closely at once.
        for sight in [Sight::Nobody, Sight::Arrived] {
            vigilance.found(sight);
        }
        assert!(vigilance.looks_closely());
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
