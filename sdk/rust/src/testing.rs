//! A loop without a host, for unit tests on the developer's own machine: its clock moves when the test says
//! so, and nothing waits.
//!
//! Each thread has its own, so tests run side by side. Only timers and ticks are there; sockets and whatever
//! else needs a host are for tests that run the component.
//!
//! ```
//! use std::{cell::Cell, rc::Rc, time::Duration};
//!
//! let fired = Rc::new(Cell::new(false));
//! let seen = fired.clone();
//! sandloop::add_timer(Duration::from_secs(5), move || seen.set(true));
//! sandloop::testing::advance(Duration::from_millis(4999));
//! assert!(!fired.get());
//! sandloop::testing::advance(Duration::from_millis(1));
//! assert!(fired.get());
//! ```

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// More turns than any test needs: something goes round for ever.
const TURNS_MAX: usize = 100_000;

#[derive(Default)]
struct Loop {
    now: u64,
    last: u32,
    /// By deadline and order; with the interval of a periodic timer.
    timers: BTreeMap<(u64, u32), (u32, Option<u32>)>,
    /// The timer whose callback runs, unless it was cancelled meanwhile.
    running: Option<u32>,
    ticks: VecDeque<u32>,
    stopped: bool,
}

thread_local! {
    static LOOP: RefCell<Loop> = RefCell::default();
}

/// Moves the clock and runs turns until nothing is due: timers in the order of their deadlines, then ticks.
///
/// # Panics
/// When the turns do not come to an end, as with a tick loop that does not stop.
pub fn advance(by: Duration) {
    let end = LOOP.with_borrow(|all| all.now) + u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    for _ in 0..TURNS_MAX {
        let next = LOOP.with_borrow(|all| {
            let due = all.timers.keys().next().map(|(deadline, _)| *deadline);
            let due = due.filter(|deadline| *deadline <= end);
            if all.ticks.is_empty() { due } else { Some(due.unwrap_or(all.now).min(all.now)) }
        });
        let Some(next) = next else {
            LOOP.with_borrow_mut(|all| all.now = end);
            return;
        };
        LOOP.with_borrow_mut(|all| all.now = all.now.max(next));
        turn();
    }
    panic!("after {TURNS_MAX} turns there is still something to do");
}

/// One turn without moving the clock: what is due, then the ticks that were asked for before it.
pub fn turn() {
    let (now, newest) = LOOP.with_borrow(|all| (all.now, all.last));
    loop {
        // A timer made in this turn waits for the next.
        let due = LOOP.with_borrow_mut(|all| {
            let key = all
                .timers
                .range(..=(now, u32::MAX))
                .map(|(key, _)| *key)
                .find(|(_, order)| *order <= newest)?;
            all.timers.remove(&key)
        });
        let Some((id, every)) = due else { break };
        LOOP.with_borrow_mut(|all| all.running = Some(id));
        crate::timers::fire(id);
        // Counted from the end of the callback, which may have cancelled it.
        LOOP.with_borrow_mut(|all| {
            if let (Some(id), Some(every)) = (all.running.take(), every) {
                let order = all.next();
                all.timers.insert((now + u64::from(every), order), (id, Some(every)));
            }
        });
    }
    for _ in 0..LOOP.with_borrow(|all| all.ticks.len()) {
        if let Some(id) = LOOP.with_borrow_mut(|all| all.ticks.pop_front()) {
            crate::reactor::tick(id);
        }
    }
}

/// Whether [`stop`](crate::stop) was called.
#[must_use]
pub fn is_stopped() -> bool {
    LOOP.with_borrow(|all| all.stopped)
}

impl Loop {
    fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }
}

/// In the place of the contract's `timers`.
pub(crate) mod timers {
    use super::LOOP;
    use crate::types::ErrorCode;

    #[expect(clippy::unnecessary_wraps, reason = "the contract's signature")]
    pub(crate) fn add_timer(milliseconds: u32) -> Result<u32, ErrorCode> {
        Ok(insert(milliseconds, None))
    }

    pub(crate) fn add_periodic_timer(milliseconds: u32) -> Result<u32, ErrorCode> {
        if milliseconds == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        Ok(insert(milliseconds, Some(milliseconds)))
    }

    pub(crate) fn cancel_timer(id: u32) {
        LOOP.with_borrow_mut(|all| {
            all.timers.retain(|_, (known, _)| *known != id);
            all.running = all.running.filter(|running| *running != id);
        });
    }

    fn insert(milliseconds: u32, every: Option<u32>) -> u32 {
        LOOP.with_borrow_mut(|all| {
            let id = all.next();
            all.timers.insert((all.now + u64::from(milliseconds), id), (id, every));
            id
        })
    }
}

/// In the place of the contract's `reactor`.
pub(crate) mod reactor {
    use super::LOOP;
    use crate::types::ErrorCode;

    #[expect(clippy::unnecessary_wraps, reason = "the contract's signature")]
    pub(crate) fn stop() -> Result<(), ErrorCode> {
        LOOP.with_borrow_mut(|all| all.stopped = true);
        Ok(())
    }

    pub(crate) fn is_running() -> bool {
        !super::is_stopped()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the contract's signature")]
    pub(crate) fn next_tick() -> Result<u32, ErrorCode> {
        Ok(LOOP.with_borrow_mut(|all| {
            let id = all.next();
            all.ticks.push_back(id);
            id
        }))
    }
}
