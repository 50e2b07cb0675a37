//! The calling thread: its priority, its CPU time, and how it is woken.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// Added to the niceness of threads that work for long: the reactors come first.
const NICENESS: i32 = 10;

/// Lowers the priority of the calling thread; on Linux a niceness belongs to a thread.
///
/// # Errors
/// When the operating system refuses.
pub fn lower_priority() -> std::io::Result<()> {
    rustix::process::nice(NICENESS)?;
    Ok(())
}

/// Lowers the priority of another thread of the process.
///
/// # Errors
/// When the operating system refuses, or the thread has ended.
pub fn lower_priority_of(thread: ThreadId) -> std::io::Result<()> {
    // On Linux the id of a thread stands for that thread alone.
    rustix::process::setpriority_process(Some(thread.0), NICENESS)?;
    Ok(())
}

/// A thread of this process, for others to look at.
#[derive(Debug, Clone, Copy)]
pub struct ThreadId(rustix::process::Pid);

impl ThreadId {
    /// The calling thread.
    pub fn current() -> ThreadId {
        ThreadId(rustix::thread::gettid())
    }
}

/// What a thread is seen to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// It waits for something other than a core.
    pub waits: bool,
    /// CPU time that it has had.
    pub cpu: Duration,
}

/// Looks at another thread; none where the operating system does not tell.
pub fn look_at(thread: ThreadId) -> Option<Seen> {
    let folder = format!("/proc/self/task/{}", thread.0.as_raw_nonzero());
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let state = stat.rsplit_once(')')?.1.trim_start().bytes().next()?;
    let times = std::fs::read_to_string(format!("{folder}/schedstat")).ok()?;
    let cpu = Duration::from_nanos(times.split(' ').next()?.parse().ok()?);
    Some(Seen { waits: state != b'R', cpu })
}

/// CPU time that the calling thread has had.
pub fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Unparks the calling thread, from whichever thread it is woken on.
pub fn waker() -> Waker {
    Arc::new(Unpark(std::thread::current())).into()
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
    use std::sync::mpsc::channel;

    #[test]
    fn who_waits_is_seen_to_and_who_computes_is_seen_to_use_time() {
        let (tell, told) = channel();
        let (end, ended) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tell.send(ThreadId::current()).unwrap();
                // Until the other end is gone.
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
}
