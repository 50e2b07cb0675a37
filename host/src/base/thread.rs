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
