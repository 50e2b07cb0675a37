//! Tick loops: something done once a turn until it says stop.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ops::ControlFlow,
    rc::Rc,
};

use crate::reactor::next_tick;

/// Calls a function once a turn. Clones are the same loop.
///
/// A loop that runs keeps the reactor from sleeping: use a timer where there is nothing to do most of the time.
#[derive(Clone)]
pub struct TickLoop(Rc<Inner>);

type Action = Box<dyn FnMut() -> ControlFlow<()>>;

/// What a tick loop's function may return: nothing to go on, or a `ControlFlow` to decide.
pub trait IntoFlow {
    /// As a decision.
    fn into_flow(self) -> ControlFlow<()>;
}

impl IntoFlow for () {
    fn into_flow(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl IntoFlow for ControlFlow<()> {
    fn into_flow(self) -> ControlFlow<()> {
        self
    }
}

struct Inner {
    action: RefCell<Option<Action>>,
    stopped: Cell<bool>,
    /// The ticks of a run that was stopped do nothing.
    run: Cell<u64>,
    on_stop: RefCell<VecDeque<Box<dyn FnOnce()>>>,
}

/// A loop that runs from now on: `action` is called once a turn until it returns `ControlFlow::Break(())`, which is
/// EventMachine's `:stop`.
///
/// # Panics
/// As [`next_tick`].
pub fn tick_loop<F: IntoFlow>(action: impl FnMut() -> F + 'static) -> TickLoop {
    let tick_loop = TickLoop::new(action);
    tick_loop.start();
    tick_loop
}

impl TickLoop {
    /// A loop that has not been started.
    pub fn new<F: IntoFlow>(mut action: impl FnMut() -> F + 'static) -> Self {
        TickLoop(Rc::new(Inner {
            action: RefCell::new(Some(Box::new(move || action().into_flow()))),
            stopped: Cell::new(true),
            run: Cell::new(0),
            on_stop: RefCell::default(),
        }))
    }

    /// Starts it, or starts it again.
    ///
    /// # Panics
    /// When it runs, as EventMachine raises, and as [`next_tick`].
    pub fn start(&self) {
        assert!(self.0.stopped.replace(false), "the tick loop runs already");
        self.0.run.set(self.0.run.get() + 1);
        self.schedule(self.0.run.get());
    }

    /// Stops it and calls what waits for that.
    pub fn stop(&self) {
        self.0.stopped.set(true);
        while let Some(action) = self.next_on_stop() {
            action();
        }
    }

    fn next_on_stop(&self) -> Option<Box<dyn FnOnce()>> {
        self.0.on_stop.borrow_mut().pop_front()
    }

    /// Whether it does not run.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.get()
    }

    /// Calls `action` once when it stops; at once if it does not run.
    pub fn on_stop(&self, action: impl FnOnce() + 'static) {
        if self.is_stopped() {
            action();
        } else {
            self.0.on_stop.borrow_mut().push_back(Box::new(action));
        }
    }

    fn schedule(&self, run: u64) {
        let same = self.clone();
        next_tick(move || same.turn(run));
    }

    fn turn(&self, run: u64) {
        if self.is_stopped() || self.0.run.get() != run {
            return;
        }
        // It is out while it runs; ticks never run inside one another.
        let Some(mut action) = self.0.action.take() else { return };
        let flow = action();
        self.0.action.replace(Some(action));
        match flow {
            ControlFlow::Continue(()) => self.schedule(run),
            ControlFlow::Break(()) => self.stop(),
        }
    }
}

impl std::fmt::Debug for TickLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TickLoop").field("stopped", &self.0.stopped).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::turn;

    fn counting(until: u32) -> (TickLoop, Rc<Cell<u32>>) {
        let count = Rc::new(Cell::new(0_u32));
        let counted = count.clone();
        let action = move || {
            counted.set(counted.get() + 1);
            if counted.get().is_multiple_of(until) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        (tick_loop(action), count)
    }

    #[test]
    fn once_a_turn_until_it_says_stop() {
        let (tick_loop, count) = counting(3);
        turn();
        assert_eq!(count.get(), 1);
        (0..5).for_each(|_| turn());
        assert_eq!((count.get(), tick_loop.is_stopped()), (3, true));
    }

    #[test]
    fn on_stop_is_called_once_then_forgotten() {
        let (tick_loop, _) = counting(2);
        let stops = Rc::new(Cell::new(0));
        let count = |stops: &Rc<Cell<u32>>| {
            let stops = stops.clone();
            move || stops.set(stops.get() + 1)
        };
        tick_loop.on_stop(count(&stops));
        (0..3).for_each(|_| turn());
        assert_eq!(stops.get(), 1);
        tick_loop.start();
        (0..3).for_each(|_| turn());
        assert_eq!((stops.get(), tick_loop.is_stopped()), (1, true));
        tick_loop.on_stop(count(&stops));
        assert_eq!(stops.get(), 2, "at once on one that does not run");
    }

    /// EventMachine runs such a loop twice a turn from then on.
    #[test]
    fn one_that_is_started_again_runs_once_a_turn() {
        let (tick_loop, count) = counting(100);
        turn();
        tick_loop.stop();
        tick_loop.start();
        (0..3).for_each(|_| turn());
        assert_eq!(count.get(), 4);
    }

    #[test]
    fn a_function_without_an_answer_goes_on() {
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        let tick_loop = tick_loop(move || counted.set(counted.get() + 1));
        (0..3).for_each(|_| turn());
        tick_loop.stop();
        (0..3).for_each(|_| turn());
        assert_eq!((count.get(), tick_loop.is_stopped()), (3, true));
    }

    #[test]
    #[should_panic(expected = "runs already")]
    fn it_is_not_started_twice() {
        let (tick_loop, _) = counting(100);
        tick_loop.start();
    }
}
