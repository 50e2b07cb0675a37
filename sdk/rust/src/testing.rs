//! A loop without a host, for unit tests on the developer's own machine: its clock moves when the test says
//! so, and nothing waits.
//!
//! It has the host's order (timers, mail, ticks) and its default limits, for one instance alone: an operation
//! runs on the test's own thread, a channel reaches the subscriptions of the test, a spawned process is a name
//! whose messages are kept. Each thread has a loop of its own, so tests run side by side.
//!
//! The test is the other end of every connection: [`accept`] is a peer that connects, [`dial`] what the plugin connects
//! to. What is sent is there at once, and a peer always reads. TLS, proxying, files and datagrams are not there, which their calls
//! say: test them with a transcript (`sandloop test`).
//!
//! ```
//! use std::time::Duration;
//!
//! use sandloop::{CloseReason, Connection, Socket, testing};
//!
//! struct Echo(Socket);
//!
//! impl Connection for Echo {
//!     fn receive_data(&mut self, data: &[u8]) {
//!         self.0.send_data(data);
//!         self.0.set_comm_inactivity_timeout(Duration::from_secs(5));
//!     }
//! }
//!
//! let peer = testing::accept(Echo);
//! peer.send("one\n");
//! assert_eq!(peer.received(), "one\n");
//! testing::advance(Duration::from_secs(5));
//! assert_eq!(peer.closed(), Some(CloseReason::InactivityTimeout));
//! ```
//!
//! Time is the test's as well:
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

pub(crate) mod absent;
pub(crate) mod host;
mod peer;
pub(crate) mod sockets;

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub use self::peer::{Dial, Peer, Received, accept, accept_with, dial};
use self::{
    host::{Host, Mail},
    sockets::Connections,
};
use crate::{
    log::Level,
    processes::{ExitReason, ProcessId},
};

/// More turns than any test needs: an endless loop is assumed.
const TURNS_MAX: usize = 100_000;

#[derive(Default)]
struct Loop {
    now: u64,
    last: u32,
    /// By deadline and order; with the interval of a periodic timer.
    timers: BTreeMap<(u64, u32), (u32, Option<u32>)>,
    /// The timer whose callback runs, unless it was cancelled meanwhile.
    running: Option<u32>,
    mail: VecDeque<Mail>,
    ticks: VecDeque<u32>,
    stopped: bool,
    host: Host,
    connections: Connections,
}

thread_local! {
    static LOOP: RefCell<Loop> = RefCell::default();
}

/// Moves the clock and runs turns until nothing is due: in each the timers in the order of their deadlines, then
/// mail (results of operations, messages, items), what has come to connections, connections that were asked for, ticks, and ends.
///
/// # Panics
/// When the turns do not come to an end, as with a tick loop that does not stop.
pub fn advance(by: Duration) {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    let end = LOOP.with_borrow(|all| all.now.saturating_add(by));
    for _ in 0..TURNS_MAX {
        let Some(next) = LOOP.with_borrow(|all| all.next_turn(end)) else {
            LOOP.with_borrow_mut(|all| all.now = end);
            return;
        };
        LOOP.with_borrow_mut(|all| all.now = next);
        turn();
    }
    panic!("after {TURNS_MAX} turns there is still something to do");
}

/// One turn without moving the clock: handles the events that are due before it. Requests made in it wait for the next.
pub fn turn() {
    run_timers();
    for _ in 0..LOOP.with_borrow(|all| all.mail.len()) {
        if let Some(mail) = LOOP.with_borrow_mut(|all| all.mail.pop_front()) {
            mail.deliver();
        }
    }
    sockets::run_sockets();
    sockets::run_connects();
    for _ in 0..LOOP.with_borrow(|all| all.ticks.len()) {
        if let Some(id) = LOOP.with_borrow_mut(|all| all.ticks.pop_front()) {
            crate::reactor::tick(id);
        }
    }
    sockets::run_unbinds();
}

/// The time of the clock.
#[cfg(feature = "http")]
pub(crate) fn now() -> Duration {
    Duration::from_millis(LOOP.with_borrow(|all| all.now))
}

/// Time that a callback takes: nothing else happens meanwhile.
#[cfg(all(test, feature = "http"))]
pub(crate) fn pass(time: Duration) {
    LOOP.with_borrow_mut(|all| all.now += time.as_millis() as u64);
}

/// The number of ticks that are due.
#[cfg(all(test, feature = "http"))]
pub(crate) fn ticks() -> usize {
    LOOP.with_borrow(|all| all.ticks.len())
}

fn run_timers() {
    let (now, newest) = LOOP.with_borrow(|all| (all.now, all.last));
    while let Some((id, every)) = LOOP.with_borrow_mut(|all| all.take_due(now, newest)) {
        crate::timers::fire(id);
        LOOP.with_borrow_mut(|all| all.rearm(every));
    }
}

/// Whether [`stop`](crate::stop) was called.
#[must_use]
pub fn is_stopped() -> bool {
    LOOP.with_borrow(|all| all.stopped)
}

/// Runs the shutdown hooks, as the host's end does.
pub fn stopping() {
    crate::hooks::run_shutdown_hooks();
}

/// Gives the plugin an option, as the operator does in `plugins.toml`.
pub fn set_option(key: impl Into<String>, value: impl Into<String>) {
    LOOP.with_borrow_mut(|all| all.host.options.insert(key.into(), value.into()));
}

/// The lines logged so far.
#[must_use]
pub fn logged() -> Vec<(Level, String)> {
    LOOP.with_borrow(|all| all.host.logged.clone())
}

/// The messages that a process was notified of until now.
#[must_use]
pub fn notified(process: ProcessId) -> Vec<Vec<u8>> {
    let messages = |host: &Host| host.processes.get(&process.to_u32()).cloned();
    LOOP.with_borrow(|all| messages(&all.host)).unwrap_or_default()
}

/// Ends a process that the test has spawned: its spawner is notified in the next turn.
pub fn end_process(process: ProcessId, reason: ExitReason) {
    LOOP.with_borrow_mut(|all| {
        if all.host.processes.remove(&process.to_u32()).is_some() {
            all.mail.push_back(Mail::Exited(process.to_u32(), reason));
        }
    });
}

impl Loop {
    fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// When there is something to do, at `end` at the latest.
    fn next_turn(&self, end: u64) -> Option<u64> {
        if !self.mail.is_empty() || !self.ticks.is_empty() {
            return Some(self.now);
        }
        let timer = self.timers.keys().next().map(|(deadline, _)| *deadline);
        let deadline = timer.into_iter().chain(self.connections.next_news(self.now)).min()?;
        (deadline <= end).then_some(deadline.max(self.now))
    }

    /// A timer that is due and was made before this turn.
    fn take_due(&mut self, now: u64, newest: u32) -> Option<(u32, Option<u32>)> {
        let due = self.timers.range(..=(now, u32::MAX)).map(|(key, _)| *key);
        let key = { due }.find(|(_, order)| *order <= newest)?;
        let (id, every) = self.timers.remove(&key)?;
        self.running = Some(id);
        Some((id, every))
    }

    /// Counted from the end of the callback, which may have cancelled it.
    fn rearm(&mut self, every: Option<u32>) {
        if let (Some(id), Some(every)) = (self.running.take(), every) {
            let order = self.next();
            self.timers.insert((self.now + u64::from(every), order), (id, Some(every)));
        }
    }
}
