//! One-shot and periodic timers.
//!
//! Timers fire in the order of their deadlines, those with the same deadline in the order they were made,
//! never early. They may be as long as a [`Duration`] is; of more than 49 days, the most that the host counts, each part
//! of so many is a millisecond late at most. All that are due fire in one turn; a timer made meanwhile waits for the next. Dropping
//! a handle does not cancel its timer.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    time::Duration,
};

use crate::{
    callbacks::{Key, Table},
    duration::to_rounds,
    host::timers as host,
    types::ErrorCode,
};

/// A one-shot timer. Copies are the same timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer(Key);

/// A periodic timer. Copies are the same timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeriodicTimer(Key);

impl Timer {
    /// As [`add_timer`].
    ///
    /// # Panics
    /// As [`add_timer`].
    pub fn new(delay: Duration, action: impl FnOnce() + 'static) -> Self {
        add_timer(delay, action)
    }

    /// Forgets the timer, also when it is due in this turn. Does nothing once it has fired.
    pub fn cancel(self) {
        cancel(self.0);
    }
}

impl PeriodicTimer {
    /// As [`add_periodic_timer`]; `action` is given the timer itself, so that it can end it.
    ///
    /// # Panics
    /// As [`add_periodic_timer`].
    pub fn new(interval: Duration, mut action: impl FnMut(PeriodicTimer) + 'static) -> Self {
        or_panic(try_periodic(interval, |timer| Box::new(move || action(timer))))
    }

    /// Cancels the timer, also from its own callback.
    pub fn cancel(self) {
        cancel(self.0);
    }
}

/// A timer that is begun anew as often as one likes, and calls its action when nobody has for its delay: for peers that say
/// nothing. Dropping it cancels it, so that one in a connection ends with it.
///
/// ```
/// use std::time::Duration;
///
/// use sandloop::{Connection, IdleTimer, Socket};
///
/// struct Lines {
///     socket: Socket,
///     idle: IdleTimer,
/// }
///
/// impl Lines {
///     fn new(socket: Socket) -> Self {
///         let peer = socket.clone();
///         let idle = IdleTimer::new(Duration::from_secs(5), move || peer.close_connection());
///         Lines { socket, idle }
///     }
/// }
///
/// impl Connection for Lines {
///     fn receive_data(&mut self, data: &[u8]) {
///         self.idle.restart();
///         self.socket.send_data(data);
///     }
/// }
/// ```
pub struct IdleTimer {
    delay: Duration,
    action: Rc<RefCell<dyn FnMut()>>,
    timer: Cell<Timer>,
}

impl IdleTimer {
    /// Begins it.
    ///
    /// # Panics
    /// As [`add_timer`].
    pub fn new(delay: Duration, action: impl FnMut() + 'static) -> Self {
        let action: Rc<RefCell<dyn FnMut()>> = Rc::new(RefCell::new(action));
        let timer = Cell::new(begin(delay, &action));
        IdleTimer { delay, action, timer }
    }

    /// Restarts it, also when it has fired or was cancelled.
    ///
    /// # Panics
    /// As [`add_timer`].
    pub fn restart(&self) {
        self.cancel();
        self.timer.set(begin(self.delay, &self.action));
    }

    /// Stops it until it is restarted. Does nothing once it has fired.
    pub fn cancel(&self) {
        self.timer.get().cancel();
    }
}

fn begin(delay: Duration, action: &Rc<RefCell<dyn FnMut()>>) -> Timer {
    let action = action.clone();
    add_timer(delay, move || (action.borrow_mut())())
}

impl Drop for IdleTimer {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for IdleTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTimer").field("delay", &self.delay).finish_non_exhaustive()
    }
}

/// Either kind of timer, for [`cancel_timer`].
impl From<PeriodicTimer> for Timer {
    fn from(timer: PeriodicTimer) -> Self {
        Timer(timer.0)
    }
}

/// Calls `action` once after `delay`; zero means the next turn.
///
/// # Panics
/// When the instance is at its limit of timers, as EventMachine raises.
pub fn add_timer(delay: Duration, action: impl FnOnce() + 'static) -> Timer {
    or_panic(try_add_timer(delay, action))
}

/// As [`add_timer`].
///
/// # Errors
/// `limit` (timers of this instance).
pub fn try_add_timer(delay: Duration, action: impl FnOnce() + 'static) -> Result<Timer, ErrorCode> {
    let (rounds, milliseconds) = to_rounds(delay);
    let action = Box::new(action);
    let key = if rounds == 1 {
        let key = next_key(host::add_timer(milliseconds)?);
        insert(key, Action::Once(action));
        key
    } else {
        // The host's periodic timer keeps its id, and with it the handle is the same.
        let key = next_key(host::add_periodic_timer(milliseconds)?);
        insert(key, Action::Late { left: rounds, action });
        key
    };
    Ok(Timer(key))
}

/// Calls `action` every `interval`, counted from the end of one call to the next: a slow callback
/// delays the rest and none is made up for.
///
/// # Panics
/// When the instance is at its limit of timers, as EventMachine raises, and for an interval of zero.
pub fn add_periodic_timer(interval: Duration, action: impl FnMut() + 'static) -> PeriodicTimer {
    or_panic(try_add_periodic_timer(interval, action))
}

/// As [`add_periodic_timer`].
///
/// # Errors
/// `limit` (timers of this instance), `invalid-argument` for zero.
pub fn try_add_periodic_timer(
    interval: Duration,
    action: impl FnMut() + 'static,
) -> Result<PeriodicTimer, ErrorCode> {
    try_periodic(interval, |_| Box::new(action))
}

/// Cancels a timer of either kind, as its own `cancel` does.
pub fn cancel_timer(timer: impl Into<Timer>) {
    timer.into().cancel();
}

/// The timer with this id is due.
pub(crate) fn fire(id: u32) {
    // Nothing is borrowed while a closure runs or is dropped: it may add and cancel timers.
    match TABLE.with_borrow_mut(|table| table.lend(id)) {
        None => {}
        Some((key, Action::Once(action))) => {
            TABLE.with_borrow_mut(|table| table.remove(key));
            action();
        }
        Some((key, Action::Late { left: ..=1, action })) => {
            TABLE.with_borrow_mut(|table| table.remove(key));
            host::cancel_timer(id);
            action();
        }
        Some((key, Action::Late { left, action })) => {
            put_back(key, Action::Late { left: left - 1, action });
        }
        Some((key, Action::Periodic { rounds, left: ..=1, mut action })) => {
            action();
            put_back(key, Action::Periodic { rounds, left: rounds, action });
        }
        Some((key, Action::Periodic { rounds, left, action })) => {
            put_back(key, Action::Periodic { rounds, left: left - 1, action });
        }
    }
}

fn put_back(key: Key, action: Action) {
    let cancelled = TABLE.with_borrow_mut(|table| table.put_back(key, action));
    drop(cancelled);
}

fn try_periodic(
    interval: Duration,
    action: impl FnOnce(PeriodicTimer) -> Box<dyn FnMut()>,
) -> Result<PeriodicTimer, ErrorCode> {
    let (rounds, milliseconds) = to_rounds(interval);
    let key = next_key(host::add_periodic_timer(milliseconds)?);
    let action = action(PeriodicTimer(key));
    insert(key, Action::Periodic { rounds, left: rounds, action });
    Ok(PeriodicTimer(key))
}

fn or_panic<T>(timer: Result<T, ErrorCode>) -> T {
    timer.unwrap_or_else(|error| panic!("ran out of timers, or a bad duration: {error}"))
}

fn next_key(id: u32) -> Key {
    TABLE.with_borrow_mut(|table| table.key(id))
}

fn insert(key: Key, action: Action) {
    let stale = TABLE.with_borrow_mut(|table| table.insert(key, action));
    drop(stale);
}

fn cancel(key: Key) {
    // Removed here first: the closure's captures may cancel timers when they are dropped.
    let known = TABLE.with_borrow_mut(|table| table.remove(key));
    if known.is_some() {
        host::cancel_timer(key.id);
    }
}

/// What a timer does.
enum Action {
    Once(Box<dyn FnOnce()>),
    /// Once, after this many calls of the host.
    Late {
        left: u64,
        action: Box<dyn FnOnce()>,
    },
    /// Each time after this many of its calls.
    Periodic {
        rounds: u64,
        left: u64,
        action: Box<dyn FnMut()>,
    },
}

thread_local! {
    /// The live timers.
    static TABLE: RefCell<Table<Action>> = const { RefCell::new(Table::new()) };
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::testing::advance;

    type Log = Rc<RefCell<Vec<String>>>;

    fn milliseconds(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn note(log: &Log, name: &str) -> impl Fn() + use<> {
        let (log, name) = (log.clone(), name.to_owned());
        move || log.borrow_mut().push(name.clone())
    }

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let log = Log::default();
        add_timer(milliseconds(20), note(&log, "b20"));
        add_timer(milliseconds(10), note(&log, "a10"));
        add_timer(milliseconds(20), note(&log, "tie 20"));
        advance(milliseconds(19));
        assert_eq!(*log.borrow(), ["a10"], "never early");
        advance(milliseconds(1));
        assert_eq!(*log.borrow(), ["a10", "b20", "tie 20"]);
    }

    /// The deck prints four ticks before the fifth second: the interval is counted from the end of a call.
    #[test]
    fn a_periodic_timer_is_behind_a_one_shot_of_the_same_time() {
        let log = Log::default();
        add_periodic_timer(milliseconds(1000), note(&log, "tick"));
        add_timer(milliseconds(5000), note(&log, "boom"));
        advance(milliseconds(5000));
        assert_eq!(*log.borrow(), ["tick", "tick", "tick", "tick", "boom", "tick"]);
    }

    #[test]
    fn a_timer_made_in_a_timer_waits_for_the_next_turn() {
        let log = Log::default();
        let (noted, nested) = (note(&log, "first"), note(&log, "nested"));
        add_timer(milliseconds(10), move || {
            noted();
            add_timer(Duration::ZERO, nested);
        });
        add_timer(milliseconds(10), note(&log, "second"));
        advance(milliseconds(10));
        assert_eq!(*log.borrow(), ["first", "second", "nested"]);
    }

    #[test]
    fn a_cancelled_timer_does_not_fire() {
        let log = Log::default();
        let other = add_timer(milliseconds(10), note(&log, "never"));
        add_timer(milliseconds(5), move || cancel_timer(other));
        let mut left = 3;
        let noted = note(&log, "periodic");
        PeriodicTimer::new(milliseconds(10), move |timer| {
            noted();
            left -= 1;
            if left == 0 {
                timer.cancel();
                timer.cancel();
            }
        });
        advance(milliseconds(100));
        assert_eq!(*log.borrow(), ["periodic"; 3]);
    }

    #[test]
    fn an_idle_timer_fires_when_nobody_begins_it_anew() {
        let log = Log::default();
        let idle = Rc::new(IdleTimer::new(milliseconds(10), note(&log, "idle")));
        advance(milliseconds(9));
        idle.restart();
        advance(milliseconds(9));
        assert!(log.borrow().is_empty());
        advance(milliseconds(1));
        assert_eq!(*log.borrow(), ["idle"]);
        advance(milliseconds(100));
        idle.restart();
        advance(milliseconds(10));
        assert_eq!(log.borrow().len(), 2, "also after it has fired");
        idle.restart();
        idle.cancel();
        idle.restart();
        drop(idle);
        advance(milliseconds(100));
        assert_eq!(log.borrow().len(), 2, "dropped");
    }

    /// Its own action may restart or stop it.
    #[test]
    fn an_idle_timer_may_be_begun_in_its_action() {
        let count = Rc::new(Cell::new(0));
        let slot: Rc<RefCell<Option<IdleTimer>>> = Rc::default();
        let (counted, its) = (count.clone(), slot.clone());
        let idle = IdleTimer::new(milliseconds(10), move || {
            counted.set(counted.get() + 1);
            if counted.get() < 3 {
                its.borrow().as_ref().unwrap().restart();
            } else {
                its.take();
            }
        });
        slot.replace(Some(idle));
        advance(milliseconds(1000));
        assert_eq!((count.get(), slot.borrow().is_none()), (3, true));
    }

    #[test]
    fn timers_may_be_as_long_as_a_duration() {
        const DAY: Duration = Duration::from_hours(24);
        let log = Log::default();
        for long in [Duration::MAX, Duration::from_secs(11_948_602_000)] {
            add_timer(long, note(&log, "never"));
            add_periodic_timer(long, note(&log, "never"));
            Timer::new(long, note(&log, "never"));
            try_add_timer(long, note(&log, "never")).unwrap();
        }
        add_timer(120 * DAY, note(&log, "120"));
        let cancelled = add_timer(120 * DAY, note(&log, "cancelled"));
        let periodic = add_periodic_timer(60 * DAY, note(&log, "60"));
        advance(120 * DAY - milliseconds(1));
        assert_eq!(*log.borrow(), ["60"], "never early");
        cancelled.cancel();
        advance(milliseconds(5));
        assert_eq!(*log.borrow(), ["60", "120", "60"]);
        periodic.cancel();
        advance(1000 * DAY);
        assert_eq!(log.borrow().len(), 3);
    }

    /// What a closure owned may use the table when it is dropped.
    #[test]
    fn a_closure_may_cancel_when_it_is_dropped() {
        struct CancelsWhenDropped(Timer);
        impl Drop for CancelsWhenDropped {
            fn drop(&mut self) {
                self.0.cancel();
            }
        }
        let log = Log::default();
        let inner = add_timer(milliseconds(10), note(&log, "never"));
        let guard = CancelsWhenDropped(inner);
        let outer = add_timer(milliseconds(10), move || drop(guard));
        outer.cancel();
        advance(milliseconds(10));
        assert!(log.borrow().is_empty());
    }
}
