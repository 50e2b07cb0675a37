//! The loop: ticks, stop.

use std::{cell::RefCell, collections::VecDeque};

use crate::{host::reactor as host, types::ErrorCode};

thread_local! {
    static TICKS: RefCell<Ticks> = const { RefCell::new(Ticks(VecDeque::new())) };
}

/// Ends the host's loops after this turn: listeners close, [`stopping`](crate::Program::stopping) is
/// called, what was sent is drained up to a deadline, every connection gets its `unbind`, then
/// [`stopped`](crate::Program::stopped). Asking twice is the same as asking once.
///
/// Needs `allow.stop = true`; without it nothing happens and the log says so.
pub fn stop() {
    if let Err(error) = try_stop() {
        crate::error!("the reactor does not stop: {error}");
    }
}

/// As [`stop`].
///
/// # Errors
/// `denied` unless `allow.stop = true`.
pub fn try_stop() -> Result<(), ErrorCode> {
    host::stop()
}

/// False in [`prepare`](crate::Program::prepare) and [`stopped`](crate::Program::stopped), true
/// in every other callback.
#[must_use]
pub fn is_running() -> bool {
    host::is_running()
}

/// Calls `action` when this turn's events are done or, when asked from inside a tick, in the next turn.
/// Ticks run in the order they were asked for.
///
/// # Panics
/// When the instance is at its limit of ticks, as EventMachine raises.
pub fn next_tick(action: impl FnOnce() + 'static) {
    if let Err(error) = try_next_tick(action) {
        panic!("next_tick: {error}");
    }
}

/// As [`next_tick`].
///
/// # Errors
/// `limit` (ticks of this instance).
pub fn try_next_tick(action: impl FnOnce() + 'static) -> Result<(), ErrorCode> {
    let id = host::next_tick()?;
    TICKS.with_borrow_mut(|ticks| ticks.push(id, Box::new(action)));
    Ok(())
}

/// Calls `action` now. EventMachine's `schedule` means "on the reactor's thread, at once when this is
/// it", and a plugin is never anywhere else.
pub fn schedule(action: impl FnOnce()) {
    action();
}

/// The tick with this id is due.
pub(crate) fn tick(id: u32) {
    if let Some(action) = TICKS.with_borrow_mut(|ticks| ticks.take(id)) {
        action();
    }
}

type Action = Box<dyn FnOnce()>;

/// The ticks that were asked for, in order, with the host's ids.
struct Ticks(VecDeque<(u32, Action)>);

impl Ticks {
    fn push(&mut self, id: u32, action: Action) {
        self.0.push_back((id, action));
    }

    /// The tick with this id. The host keeps the order, so it is the first.
    fn take(&mut self, id: u32) -> Option<Action> {
        let index = self.0.iter().position(|&(known, _)| known == id)?;
        self.0.remove(index).map(|(_, action)| action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_taken_once() {
        let mut ticks = Ticks(VecDeque::new());
        ticks.push(7, Box::new(|| {}));
        ticks.push(8, Box::new(|| {}));
        assert!(ticks.take(7).is_some());
        assert!(ticks.take(7).is_none());
        assert!(ticks.take(9).is_none());
        assert!(ticks.take(8).is_some());
        assert!(ticks.0.is_empty());
    }
}
