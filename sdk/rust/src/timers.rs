//! One-shot and periodic timers.
//!
//! Timers fire in the order of their deadlines, those with the same deadline in the order they were made,
//! never early. All that are due fire in one turn; a timer made meanwhile waits for the next. Dropping
//! a handle does not cancel its timer.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

#[cfg(target_arch = "wasm32")]
use crate::bindings::sandloop::plugin::timers as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::timers as host;
use crate::{duration::to_milliseconds, types::ErrorCode};

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
        self.0.cancel();
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

    /// Forgets the timer, also from its own callback.
    pub fn cancel(self) {
        self.0.cancel();
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
/// When the instance is at its limit of timers, as EventMachine raises, and for more than 49 days.
pub fn add_timer(delay: Duration, action: impl FnOnce() + 'static) -> Timer {
    or_panic(try_add_timer(delay, action))
}

/// As [`add_timer`].
///
/// # Errors
/// `limit` (timers of this instance), `invalid-argument` for more than 49 days.
pub fn try_add_timer(delay: Duration, action: impl FnOnce() + 'static) -> Result<Timer, ErrorCode> {
    let milliseconds = to_milliseconds(delay).ok_or(ErrorCode::InvalidArgument)?;
    let key = next_key(host::add_timer(milliseconds)?);
    insert(key, Action::Once(Box::new(action)));
    Ok(Timer(key))
}

/// Calls `action` every `interval`, counted from the end of one call to the next: a slow callback
/// delays the rest and none is made up for.
///
/// # Panics
/// When the instance is at its limit of timers, as EventMachine raises, and for an interval of zero or
/// more than 49 days.
pub fn add_periodic_timer(interval: Duration, action: impl FnMut() + 'static) -> PeriodicTimer {
    or_panic(try_add_periodic_timer(interval, action))
}

/// As [`add_periodic_timer`].
///
/// # Errors
/// `limit` (timers of this instance), `invalid-argument` for zero or more than 49 days.
pub fn try_add_periodic_timer(
    interval: Duration,
    action: impl FnMut() + 'static,
) -> Result<PeriodicTimer, ErrorCode> {
    try_periodic(interval, |_| Box::new(action))
}

/// Forgets a timer of either kind, as its own `cancel` does.
pub fn cancel_timer(timer: impl Into<Timer>) {
    timer.into().cancel();
}

/// The timer with this id is due.
pub(crate) fn fire(id: u32) {
    // Nothing is borrowed while a closure runs or is dropped: it may add and cancel timers.
    match TABLE.with_borrow_mut(|table| table.take_due(id)) {
        None => {}
        Some(Due::Once(action)) => action(),
        Some(Due::Periodic(key, mut action)) => {
            action();
            let cancelled = TABLE.with_borrow_mut(|table| table.put_back(key, action));
            drop(cancelled);
        }
    }
}

fn try_periodic(
    interval: Duration,
    action: impl FnOnce(PeriodicTimer) -> PeriodicAction,
) -> Result<PeriodicTimer, ErrorCode> {
    let milliseconds = to_milliseconds(interval).ok_or(ErrorCode::InvalidArgument)?;
    let key = next_key(host::add_periodic_timer(milliseconds)?);
    insert(key, Action::Periodic(action(PeriodicTimer(key))));
    Ok(PeriodicTimer(key))
}

fn or_panic<T>(timer: Result<T, ErrorCode>) -> T {
    timer.unwrap_or_else(|error| panic!("ran out of timers, or a bad duration: {error}"))
}

fn next_key(id: u32) -> Key {
    TABLE.with_borrow_mut(|table| table.next_key(id))
}

fn insert(key: Key, action: Action) {
    let stale = TABLE.with_borrow_mut(|table| table.insert(key, action));
    drop(stale);
}

type PeriodicAction = Box<dyn FnMut()>;

/// Which timer: the host's id, which may be used again, and a number that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    id: u32,
    serial: u64,
}

impl Key {
    fn cancel(self) {
        // Forgotten here first: what the closure owned may cancel timers when it is dropped.
        let action = TABLE.with_borrow_mut(|table| table.remove(self));
        if action.is_some() {
            host::cancel_timer(self.id);
        }
    }
}

/// What a timer does.
enum Action {
    Once(Box<dyn FnOnce()>),
    Periodic(PeriodicAction),
    /// A periodic timer's closure is out, being called.
    Running,
}

/// A due timer's closure.
enum Due {
    Once(Box<dyn FnOnce()>),
    Periodic(Key, PeriodicAction),
}

thread_local! {
    static TABLE: RefCell<Table> = const { RefCell::new(Table::new()) };
}

/// The live timers by the host's ids. Its methods hand back what they take out, so that nothing of a
/// plugin's is dropped while the table is borrowed.
struct Table {
    timers: BTreeMap<u32, (u64, Action)>,
    last_serial: u64,
}

impl Table {
    const fn new() -> Self {
        Table { timers: BTreeMap::new(), last_serial: 0 }
    }

    fn next_key(&mut self, id: u32) -> Key {
        self.last_serial += 1;
        Key { id, serial: self.last_serial }
    }

    fn insert(&mut self, key: Key, action: Action) -> Option<Action> {
        self.timers.insert(key.id, (key.serial, action)).map(|(_, action)| action)
    }

    fn remove(&mut self, key: Key) -> Option<Action> {
        match self.timers.get(&key.id) {
            Some(&(serial, _)) if serial == key.serial => {
                self.timers.remove(&key.id).map(|(_, action)| action)
            }
            _ => None,
        }
    }

    /// A one-shot timer leaves the table; a periodic one stays, running.
    fn take_due(&mut self, id: u32) -> Option<Due> {
        let (serial, action) = self.timers.remove(&id)?;
        match action {
            Action::Once(action) => Some(Due::Once(action)),
            Action::Periodic(action) => {
                self.timers.insert(id, (serial, Action::Running));
                Some(Due::Periodic(Key { id, serial }, action))
            }
            Action::Running => None,
        }
    }

    /// Keeps a periodic timer's closure for its next time, or hands it back when it was cancelled.
    fn put_back(&mut self, key: Key, action: PeriodicAction) -> Option<PeriodicAction> {
        match self.timers.get_mut(&key.id) {
            Some((serial, kept)) if *serial == key.serial => {
                *kept = Action::Periodic(action);
                None
            }
            _ => Some(action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(table: &mut Table, id: u32) -> Key {
        let key = table.next_key(id);
        assert!(table.insert(key, Action::Once(Box::new(|| {}))).is_none());
        key
    }

    fn periodic(table: &mut Table, id: u32) -> Key {
        let key = table.next_key(id);
        assert!(table.insert(key, Action::Periodic(Box::new(|| {}))).is_none());
        key
    }

    fn run(table: &mut Table, id: u32) -> (Key, PeriodicAction) {
        match table.take_due(id) {
            Some(Due::Periodic(key, action)) => (key, action),
            _ => panic!("timer {id} is not periodic and due"),
        }
    }

    #[test]
    fn a_one_shot_timer_fires_once() {
        let mut table = Table::new();
        once(&mut table, 3);
        assert!(matches!(table.take_due(3), Some(Due::Once(_))));
        assert!(table.take_due(3).is_none());
        assert!(table.timers.is_empty());
    }

    #[test]
    fn a_periodic_timer_stays_until_it_is_cancelled() {
        let mut table = Table::new();
        let key = periodic(&mut table, 3);
        for _ in 0..2 {
            let (key, action) = run(&mut table, 3);
            assert!(table.put_back(key, action).is_none());
        }
        assert!(table.remove(key).is_some());
        assert!(table.take_due(3).is_none());
    }

    #[test]
    fn a_periodic_timer_cancelled_in_its_own_callback_does_not_come_back() {
        let mut table = Table::new();
        periodic(&mut table, 3);
        let (key, action) = run(&mut table, 3);
        assert!(table.remove(key).is_some());
        assert!(table.put_back(key, action).is_some());
        assert!(table.timers.is_empty());
    }

    #[test]
    fn an_id_used_again_inside_the_callback_belongs_to_the_new_timer() {
        let mut table = Table::new();
        periodic(&mut table, 3);
        let (old, action) = run(&mut table, 3);
        assert!(table.remove(old).is_some());
        let new = periodic(&mut table, 3);
        assert!(table.put_back(old, action).is_some());
        assert!(table.remove(new).is_some());
    }

    #[test]
    fn an_old_handle_does_not_cancel_a_new_timer_with_its_id() {
        let mut table = Table::new();
        let old = once(&mut table, 3);
        table.take_due(3);
        once(&mut table, 3);
        assert!(table.remove(old).is_none());
        assert!(table.take_due(3).is_some());
    }
}
