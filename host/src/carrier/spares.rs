//! Threads that wait for a reactor. They are started with the host and belong to no tenant.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::base::lock::{Condvar, Mutex, MutexGuard};
use crate::base::panics;
use crate::base::panics::Panicked;
use crate::carrier::{Carried, Carrier, FirstSlice, Relief};
use crate::engine::ticker::Activity;
use crate::reactor::Reactor;
use crate::reactor::exit::Exit;

/// The minimum number of waiting threads per reactor.
const FOR_A_LOOP: usize = 2;
/// The maximum number of waiting threads, as a multiple of the minimum: a thread that returns after a short wait of its
/// guest is often needed again soon.
const KEPT_TIMES: usize = 2;

/// The end of something on a thread that runs reactors.
pub(crate) enum Departure {
    /// A reactor has ended, by itself or by a panic.
    Ended(Result<io::Result<Exit>, Panicked>),
    /// A call has panicked whose thread had been relieved: its reactor continues on another thread.
    Panicked(Panicked),
}

/// Takes the departures.
type OnDeparture = Box<dyn Fn(Departure) + Send + Sync>;

/// The threads. Clones share them.
#[derive(Clone)]
pub(crate) struct Spares(Arc<SparesShared>);

struct SparesShared {
    queue: Mutex<SpareQueue>,
    handed: Condvar,
    /// Waiting threads that are not reserved.
    free: AtomicUsize,
    slice: Duration,
    activity: Activity,
    /// The minimum number of waiting threads.
    least: usize,
    names: AtomicUsize,
    tell: OnDeparture,
}

#[derive(Default)]
struct SpareQueue {
    loops: VecDeque<Box<Reactor>>,
    /// Waiting threads.
    idle: usize,
    is_closed: bool,
}

impl Spares {
    /// Starts the threads for `loops` reactors. `tell` is called when a reactor ends, and for panics.
    ///
    /// # Errors
    /// When the operating system cannot create another thread.
    pub(crate) fn start(
        loops: usize,
        slice: Duration,
        activity: Activity,
        tell: impl Fn(Departure) + Send + Sync + 'static,
    ) -> io::Result<Spares> {
        let spares = Spares(Arc::new(SparesShared {
            queue: Mutex::default(),
            handed: Condvar::new(),
            free: AtomicUsize::new(0),
            slice,
            activity,
            least: FOR_A_LOOP * loops,
            names: AtomicUsize::new(0),
            tell: Box::new(tell),
        }));
        // Threads that run a reactor cannot relieve another.
        for _ in 0..loops + spares.0.least {
            spares.spawn()?;
        }
        Ok(spares)
    }

    /// Runs a reactor on a waiting thread.
    pub(crate) fn carry(&self, reactor: Reactor) {
        // There is a thread for each reactor from the start.
        self.reserve();
        self.give(Box::new(reactor));
    }

    /// Ends the waiting threads; reactors are no longer passed on.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.0.handed.notify_all();
    }

    fn spawn(&self) -> io::Result<()> {
        let number = self.0.names.fetch_add(1, Ordering::Relaxed);
        let spares = self.clone();
        // Counted as free before it waits: a reactor that is given to it is queued until then.
        self.0.free.fetch_add(1, Ordering::Relaxed);
        let started = std::thread::Builder::new()
            .name(format!("reactor-{number}"))
            .spawn(move || spares.drive());
        if let Err(error) = started {
            // If the thread was reserved meanwhile, the next one that returns runs the reactor.
            self.reserve();
            return Err(error);
        }
        Ok(())
    }

    fn drive(&self) {
        let first_slice = Arc::new(FirstSlice::new(Arc::new(self.clone())));
        let watched: Weak<FirstSlice> = Arc::downgrade(&first_slice);
        self.0.activity.watch(watched);
        while let Some(the_loop) = self.next() {
            self.replenish();
            match panics::catch(|| Carrier::with(the_loop, first_slice.clone()).carry()) {
                Ok(Carried::Ended(result)) => (self.0.tell)(Departure::Ended(Ok(result))),
                Ok(Carried::Relieved { is_low: true }) => return,
                Ok(Carried::Relieved { is_low: false }) => {}
                Err(panicked) if first_slice.was_relieved() => {
                    (self.0.tell)(Departure::Panicked(panicked));
                }
                Err(panicked) => (self.0.tell)(Departure::Ended(Err(panicked))),
            }
            let enough = self.0.least * KEPT_TIMES;
            let one_more = |free: usize| (free < enough).then_some(free + 1);
            let free = &self.0.free;
            if free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
                return;
            }
        }
    }

    /// Replaces a waiting thread that was given a reactor.
    fn replenish(&self) {
        if self.0.free.load(Ordering::Relaxed) < self.0.least
            && !self.lock().is_closed
            && let Err(error) = self.spawn()
        {
            tracing::debug!(%error, "no more threads to carry the loop");
        }
    }

    /// Waits for the next reactor.
    fn next(&self) -> Option<Box<Reactor>> {
        let mut queue = self.lock();
        queue.idle += 1;
        let nothing = |queue: &mut SpareQueue| queue.loops.is_empty() && !queue.is_closed;
        self.0.handed.wait_while(&mut queue, nothing);
        queue.idle -= 1;
        queue.loops.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, SpareQueue> {
        self.0.queue.lock()
    }
}

impl Relief for Spares {
    fn slice(&self) -> Duration {
        self.0.slice
    }

    fn has_one(&self) -> bool {
        0 < self.0.free.load(Ordering::Relaxed) || self.spawn().is_ok()
    }

    fn reserve(&self) -> bool {
        let one_less = |free: usize| free.checked_sub(1);
        self.0.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    fn give_back(&self) {
        self.0.free.fetch_add(1, Ordering::Relaxed);
    }

    fn give(&self, the_loop: Box<Reactor>) {
        self.lock().loops.push_back(the_loop);
        self.0.handed.notify_one();
    }
}
