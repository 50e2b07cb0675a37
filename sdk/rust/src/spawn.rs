//! Spawned blocks, EventMachine's `spawn`: code that runs when it is notified, inside this instance.
//!
//! A notification is a tick: it never runs inside the call that makes it, and those of all blocks run in the order
//! in which they were made. EventMachine calls this a process, but it is none of the operating system's and has no
//! sandbox of its own: for that see [`processes`](crate::processes).
//!
//! ```
//! use sandloop::spawn::{spawn, yield_and_notify, yield_to};
//!
//! let greeter = spawn(|name: &str| println!("Received {name}"));
//! greeter.notify("hello");
//!
//! // The second block is for all notifications after the first.
//! let counter = spawn(|()| {
//!     println!("first");
//!     yield_to(|()| println!("and so on"))
//! });
//! counter.notify(());
//! counter.notify(());
//! ```

use std::{cell::RefCell, rc::Rc};

use crate::{reactor::try_next_tick, types::ErrorCode};

/// A block that waits for notifications. Clones are the same one.
pub struct SpawnedProcess<A = ()>(Rc<RefCell<Option<Block<A>>>>);

type Block<A> = Box<dyn FnMut(&SpawnedProcess<A>, A) -> Step<A>>;

/// What a block says at its end.
pub enum Step<A> {
    /// The same block is for the next notification too.
    Done,
    /// From now on another block is.
    Yield(Continuation<A>),
    /// From now on another block is, and it is notified with this at once: in the next turn.
    YieldAndNotify(A, Continuation<A>),
}

/// The block after a yield.
pub struct Continuation<A>(Block<A>);

/// What a block may return: nothing, or a [`Step`].
pub trait IntoStep<A> {
    /// As a step.
    fn into_step(self) -> Step<A>;
}

impl<A> IntoStep<A> for () {
    fn into_step(self) -> Step<A> {
        Step::Done
    }
}

impl<A> IntoStep<A> for Step<A> {
    fn into_step(self) -> Step<A> {
        self
    }
}

/// Runs `block` at each notification. It returns nothing or a [`Step`].
pub fn spawn<A: 'static, S: IntoStep<A>>(
    mut block: impl FnMut(A) -> S + 'static,
) -> SpawnedProcess<A> {
    spawn_with(move |_, argument| block(argument))
}

/// As [`spawn`]; the block is given the process too, to notify itself.
pub fn spawn_with<A: 'static, S: IntoStep<A>>(
    block: impl FnMut(&SpawnedProcess<A>, A) -> S + 'static,
) -> SpawnedProcess<A> {
    SpawnedProcess(Rc::new(RefCell::new(Some(boxed(block)))))
}

/// At the end of a block: `block` is for all later notifications, until it yields in turn.
pub fn yield_to<A: 'static, S: IntoStep<A>>(mut block: impl FnMut(A) -> S + 'static) -> Step<A> {
    Step::Yield(Continuation(boxed(move |_, argument| block(argument))))
}

/// As [`yield_to`], and notifies the process with `argument`.
pub fn yield_and_notify<A: 'static, S: IntoStep<A>>(
    argument: A,
    mut block: impl FnMut(A) -> S + 'static,
) -> Step<A> {
    Step::YieldAndNotify(argument, Continuation(boxed(move |_, argument| block(argument))))
}

fn boxed<A: 'static, S: IntoStep<A>>(
    mut block: impl FnMut(&SpawnedProcess<A>, A) -> S + 'static,
) -> Block<A> {
    Box::new(move |process, argument| block(process, argument).into_step())
}

impl<A: 'static> SpawnedProcess<A> {
    /// Runs the block with `argument` as a tick, never inside this call.
    ///
    /// # Panics
    /// As [`next_tick`](crate::next_tick).
    pub fn notify(&self, argument: A) {
        if let Err(error) = self.try_notify(argument) {
            panic!("notify: {error}");
        }
    }

    /// As [`notify`](Self::notify).
    ///
    /// # Errors
    /// `limit` (ticks of this instance).
    pub fn try_notify(&self, argument: A) -> Result<(), ErrorCode> {
        let process = self.clone();
        try_next_tick(move || process.call(argument))
    }

    /// The same as [`notify`](Self::notify).
    pub fn resume(&self, argument: A) {
        self.notify(argument);
    }

    /// The same as [`notify`](Self::notify).
    pub fn run(&self, argument: A) {
        self.notify(argument);
    }

    fn call(&self, argument: A) {
        // The block is out while it runs, so nothing is borrowed. Ticks never run inside one another, so it is there.
        let Some(mut block) = self.0.borrow_mut().take() else { return };
        let (block, again) = match block(self, argument) {
            Step::Done => (block, None),
            Step::Yield(next) => (next.0, None),
            Step::YieldAndNotify(argument, next) => (next.0, Some(argument)),
        };
        *self.0.borrow_mut() = Some(block);
        if let Some(argument) = again {
            self.notify(argument);
        }
    }
}

impl<A> Clone for SpawnedProcess<A> {
    fn clone(&self) -> Self {
        SpawnedProcess(self.0.clone())
    }
}

impl<A> std::fmt::Debug for SpawnedProcess<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpawnedProcess").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{next_tick, testing::turn};

    type Log = Rc<RefCell<Vec<String>>>;

    fn note(log: &Log, what: impl Into<String>) {
        log.borrow_mut().push(what.into());
    }

    #[test]
    fn a_notification_is_a_tick() {
        let log = Log::default();
        let noted = log.clone();
        let process = spawn(move |name: &str| note(&noted, name));
        process.notify("a");
        let noted = log.clone();
        next_tick(move || note(&noted, "tick"));
        process.resume("b");
        process.run("c");
        assert!(log.borrow().is_empty(), "never inline");
        turn();
        assert_eq!(*log.borrow(), ["a", "tick", "b", "c"]);
    }

    #[test]
    fn a_yielded_block_stays() {
        let log = Log::default();
        let noted = log.clone();
        let process = spawn(move |number: u32| {
            note(&noted, format!("got {number}"));
            let noted = noted.clone();
            yield_to(move |number| note(&noted, format!("second {number}")))
        });
        (1..=3).for_each(|number| process.notify(number));
        turn();
        assert_eq!(*log.borrow(), ["got 1", "second 2", "second 3"]);
    }

    /// Its own notification is queued behind earlier requests.
    #[test]
    fn yield_and_notify_goes_round_the_loop_once() {
        let log = Log::default();
        let (first, inner) = (log.clone(), log.clone());
        let process = spawn(move |()| {
            note(&first, "a");
            let (second, third) = (inner.clone(), inner.clone());
            yield_and_notify((), move |()| {
                note(&second, "b");
                let tick = second.clone();
                next_tick(move || note(&tick, "tick from b"));
                let third = third.clone();
                yield_and_notify((), move |()| note(&third, "c"))
            })
        });
        process.notify(());
        let noted = log.clone();
        next_tick(move || note(&noted, "tick"));
        turn();
        assert_eq!(*log.borrow(), ["a", "tick"]);
        (0..3).for_each(|_| turn());
        assert_eq!(*log.borrow(), ["a", "tick", "b", "tick from b", "c"]);
    }

    #[test]
    fn two_that_notify_themselves_take_turns() {
        let log = Log::default();
        let process = |name: &'static str| {
            let noted = log.clone();
            spawn_with(move |me: &SpawnedProcess<u32>, left: u32| {
                note(&noted, format!("{name}{left}"));
                if 0 < left {
                    me.notify(left - 1);
                }
            })
        };
        process("a").notify(2);
        process("b").notify(2);
        (0..3).for_each(|_| turn());
        assert_eq!(*log.borrow(), ["a2", "b2", "a1", "b1", "a0", "b0"]);
    }

    #[test]
    fn one_may_tell_another_who_it_is() {
        let (pongs, log) = (Rc::new(RefCell::new(0)), Log::default());
        let (counted, noted) = (pongs.clone(), log.clone());
        let pong = spawn(move |(left, ping): (u32, SpawnedProcess<u32>)| {
            *counted.borrow_mut() += 1;
            ping.notify(left - 1);
        });
        let ping = spawn_with(move |me: &SpawnedProcess<u32>, left| match left {
            0 => note(&noted, "done"),
            left => pong.notify((left, me.clone())),
        });
        ping.notify(3);
        (0..10).for_each(|_| turn());
        assert_eq!((*pongs.borrow(), log.borrow().join("")), (3, "done".to_owned()));
    }

    /// EventMachine's own test: 25 notifications and a last one are run in their order.
    #[test]
    fn notifications_of_all_are_in_one_order() {
        let numbers = Rc::new(RefCell::new((1_u64, 1_u64)));
        let (step, seen) = (numbers.clone(), Rc::new(RefCell::new(None)));
        let fibonacci = spawn(move |()| {
            let (x, y) = *step.borrow();
            *step.borrow_mut() = (y, x + y);
        });
        (0..25).for_each(|_| fibonacci.notify(()));
        let (at_the_end, end) = (seen.clone(), numbers.clone());
        spawn(move |()| *at_the_end.borrow_mut() = Some(*end.borrow())).notify(());
        turn();
        assert_eq!(*seen.borrow(), Some((121_393, 196_418)));
    }
}
