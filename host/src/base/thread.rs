//! The calling thread: its priority, its CPU time, and its waker. Groups of threads, and joining them.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::task::{Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crate::base::os;

/// Added to the niceness of threads that run for long: reactors have priority.
const NICENESS: i32 = 10;

/// Lowers the priority of the calling thread.
///
/// # Errors
/// When the operating system refuses.
pub(crate) fn lower_priority() -> io::Result<()> {
    os::add_niceness(NICENESS)
}

/// Lowers the priority of another thread of the process.
///
/// # Errors
/// When the operating system refuses, or the thread has ended.
pub(crate) fn lower_priority_of(thread: ThreadId) -> io::Result<()> {
    os::set_niceness(thread.0, NICENESS)
}

/// The id of a thread of this process, for other threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadId(i32);

impl ThreadId {
    /// The calling thread.
    pub(crate) fn current() -> ThreadId {
        ThreadId(os::thread())
    }
}

/// The observed state of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether it waits for something other than a core.
    pub waits: bool,
    /// The CPU time that it has used.
    pub cpu: Duration,
}

/// Observes another thread; none if the operating system does not support that.
pub(crate) fn look_at(thread: ThreadId) -> Option<Seen> {
    let folder = format!("/proc/self/task/{}", thread.0);
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name, in parentheses, may contain any character.
    let state = stat.rsplit_once(')')?.1.trim_start().bytes().next()?;
    let times = std::fs::read_to_string(format!("{folder}/schedstat")).ok()?;
    let cpu = Duration::from_nanos(times.split(' ').next()?.parse().ok()?);
    Some(Seen { waits: state != b'R', cpu })
}

/// The CPU time of the calling thread.
pub(crate) fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// A waker that unparks the calling thread.
pub(crate) fn waker() -> Waker {
    Arc::new(Unpark(std::thread::current())).into()
}

/// Threads of the same kind. Joining them has a time limit: one of them may hang in a call of the operating system.
#[derive(Debug)]
pub(crate) struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// Each thread has a clone: the channel closes when all threads have ended.
    alive: Sender<Infallible>,
    ended: Receiver<Infallible>,
}

impl Threads {
    /// An empty group.
    pub(crate) fn new() -> Threads {
        let (alive, ended) = channel();
        Threads { handles: Vec::new(), alive, ended }
    }

    /// Starts another thread.
    ///
    /// # Errors
    /// When the operating system cannot create another thread.
    pub(crate) fn spawn(
        &mut self,
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let alive = self.alive.clone();
        let work = move || {
            let _alive = alive;
            work();
        };
        self.handles.push(std::thread::Builder::new().name(name).spawn(work)?);
        Ok(())
    }

    /// Joins all threads, waiting at most `longest`; false if one of them has not ended by then.
    pub(crate) fn join_within(self, longest: Duration) -> bool {
        let Threads { handles, alive, ended } = self;
        drop(alive);
        if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(longest) {
            return false;
        }
        for handle in handles {
            // The hook has reported a panic already.
            let _ = handle.join();
        }
        true
    }
}

impl Default for Threads {
    fn default() -> Threads {
        Threads::new()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_seen_to_and_who_computes_is_seen_to_use_time() {
        let (tell, told) = channel();
        let (end, ended) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tell.send(ThreadId::current()).unwrap();
                // Blocks until the sender is dropped.
                let _ = ended.into_iter().count();
            });
            let thread = told.recv().unwrap();
            while look_at(thread).is_some_and(|seen| !seen.waits) {
                std::thread::yield_now();
            }
            drop(end);
        });
        let this = ThreadId::current();
        let before = look_at(this).expect("a system that tells");
        let seen = loop {
            let seen = look_at(this).expect("a system that tells");
            if before.cpu < seen.cpu {
                break seen;
            }
        };
        assert!(!seen.waits);
    }

    #[test]
    fn the_end_of_all_is_waited_for() {
        let mut threads = Threads::new();
        let (told, heard) = channel();
        for number in 0..3 {
            let told = told.clone();
            threads.spawn(format!("probe-{number}"), move || told.send(number).unwrap()).unwrap();
        }
        assert!(threads.join_within(Duration::from_secs(60)));
        drop(told);
        assert_eq!(heard.iter().sum::<u32>(), 3);
    }

    #[test]
    fn one_that_hangs_is_not_waited_for() {
        let (gate, waits) = channel::<()>();
        let mut threads = Threads::new();
        threads.spawn("probe".to_owned(), move || _ = waits.recv()).unwrap();
        assert!(!threads.join_within(Duration::from_millis(1)));
        drop(gate);
    }
}
