//! SIGINT, SIGTERM, SIGHUP and SIGUSR1, from the first line of `main` to the end.
//!
//! While the host starts, the first signal that asks it to end does so at once, whatever the start is doing: nothing is
//! open yet that would have to be closed. From the first socket on signals are news for the main thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use nix::sys::signal::SigSet;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::base::thread::Threads;
use crate::run::news::News;

/// How long the process may take to leave after a second signal: the log is written out in that time.
const LONGEST_LEAVING: Duration = Duration::from_millis(500);

/// The signals of this process. They end it at once until `begin_serving`.
#[derive(Debug)]
pub struct SignalWatch {
    starting: Arc<AtomicBool>,
}

/// The code of a process that a signal has ended, as a shell names it.
pub(super) fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// Has the host with this process id reload.
///
/// # Errors
/// When there is no such process, or it is somebody else's.
pub fn ask_to_reload(pid: i32) -> io::Result<()> {
    // Zero and less would be whole groups of processes.
    let pid = rustix::process::Pid::from_raw(pid).filter(|pid| 0 < pid.as_raw_nonzero().get());
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    rustix::process::kill_process(pid, rustix::process::Signal::HUP)?;
    Ok(())
}

impl SignalWatch {
    /// Takes the signals over: the first thing that a process does.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn begin() -> io::Result<SignalWatch> {
        let starting = Arc::new(AtomicBool::new(true));
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            // Under nohup the start outlives its terminal, as everything else does.
            if signal != SIGHUP || !is_ignored(signal) {
                let code = exit_code(signal).into();
                flag::register_conditional_shutdown(signal, code, starting.clone())?;
            }
        }
        // Whoever sends it too early has no answer and does no harm. A file that grows too large is an error of the
        // write and not the end.
        for signal in [SIGUSR1, SIGXFSZ] {
            flag::register(signal, Arc::default())?;
        }
        // Whoever started this process may have blocked them, and nobody could stop it then.
        SigSet::all().thread_unblock()?;
        Ok(SignalWatch { starting })
    }

    /// Sends each of the signals as news, for as long as the process lives.
    pub(super) fn send_to(&self, news: Sender<News>) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1])?;
        Threads::new().spawn("signals".to_owned(), move || {
            let mut stopping = false;
            for signal in signals.forever() {
                // Nobody listens any more only when the host is leaving.
                let _ = news.send(match signal {
                    SIGHUP => News::Hangup,
                    SIGUSR1 => News::Count,
                    _ => News::Signal(signal),
                });
                if matches!(signal, SIGINT | SIGTERM) && std::mem::replace(&mut stopping, true) {
                    // The main thread may hang in something: then this one ends the process.
                    std::thread::sleep(LONGEST_LEAVING);
                    std::process::exit(exit_code(signal).into());
                }
            }
        })
    }

    /// From now on there is something to close: a signal does not end the process any more.
    pub(super) fn begin_serving(&self) {
        self.starting.store(false, Ordering::SeqCst);
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
