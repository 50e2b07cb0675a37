//! Handling of SIGINT, SIGTERM, SIGHUP and SIGUSR1, from the beginning of `main` to the end.
//!
//! During the start SIGINT, SIGTERM and SIGHUP end the process at once, since nothing is open yet that would have to be
//! closed. From the first socket on signals are events for the main thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use nix::sys::signal::SigSet;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::base::thread::Threads;
use crate::run::news::News;

/// How long the process may take to end after a second signal, in which the log is flushed.
const LONGEST_LEAVING: Duration = Duration::from_millis(500);

/// The processes that end with this one, as the number of their group; 0 where there are none.
static COMPANIONS: AtomicI32 = AtomicI32::new(0);

/// While it lives, a signal that asks this process to end asks a group of others as well.
#[derive(Debug)]
pub struct Companions(());

impl Companions {
    /// The group of the process with this id, which has one of its own.
    pub fn of(process: u32) -> Companions {
        COMPANIONS.store(i32::try_from(process).unwrap_or(0), Ordering::SeqCst);
        Companions(())
    }

    /// Asks them to end.
    fn end() {
        let group = rustix::process::Pid::from_raw(COMPANIONS.load(Ordering::SeqCst));
        if let Some(group) = group {
            // They may have ended already.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        }
    }
}

impl Drop for Companions {
    fn drop(&mut self) {
        COMPANIONS.store(0, Ordering::SeqCst);
    }
}

/// The signals of this process. They end it at once until `begin_serving`.
#[derive(Debug)]
pub struct SignalWatch {
    starting: Arc<AtomicBool>,
}

/// The exit code of a process that a signal has ended, as in a shell.
pub(super) fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// Makes the host with this process id reload.
///
/// # Errors
/// When there is no such process, or it is another user's.
pub fn ask_to_reload(pid: i32) -> io::Result<()> {
    // Zero and negative ids mean process groups.
    let pid = rustix::process::Pid::from_raw(pid).filter(|pid| 0 < pid.as_raw_nonzero().get());
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    rustix::process::kill_process(pid, rustix::process::Signal::HUP)?;
    Ok(())
}

impl SignalWatch {
    /// Installs the handlers. To be called first in `main`.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn begin() -> io::Result<SignalWatch> {
        let starting = Arc::new(AtomicBool::new(true));
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            // nohup ignores SIGHUP, which the start respects.
            if signal != SIGHUP || !is_ignored(signal) {
                let is_starting = starting.clone();
                let ask_companions = move || {
                    // While the host serves, SIGHUP is no end.
                    if signal != SIGHUP || is_starting.load(Ordering::SeqCst) {
                        Companions::end();
                    }
                };
                // SAFETY: what is done is two atomic loads and a system call, which a handler may do at any moment; nothing
                // is allocated, locked or able to panic.
                unsafe { low_level::register(signal, ask_companions)? };
                let code = exit_code(signal).into();
                flag::register_conditional_shutdown(signal, code, starting.clone())?;
            }
        }
        // SIGUSR1 during the start is ignored. SIGXFSZ is ignored so that a file that is too large is an error of the write.
        for signal in [SIGUSR1, SIGXFSZ] {
            flag::register(signal, Arc::default())?;
        }
        // The parent process may have blocked them, and then nothing could stop this one.
        SigSet::all().thread_unblock()?;
        Ok(SignalWatch { starting })
    }

    /// Sends each signal as an event, until the process ends.
    pub(super) fn send_to(&self, news: Sender<News>) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1])?;
        Threads::new().spawn("signals".to_owned(), move || {
            let mut stopping = false;
            for signal in signals.forever() {
                // Fails only while the process is ending.
                let _ = news.send(match signal {
                    SIGHUP => News::Hangup,
                    SIGUSR1 => News::Count,
                    _ => News::Signal(signal),
                });
                if matches!(signal, SIGINT | SIGTERM) && std::mem::replace(&mut stopping, true) {
                    // If the main thread hangs, this one ends the process.
                    std::thread::sleep(LONGEST_LEAVING);
                    std::process::exit(exit_code(signal).into());
                }
            }
        })
    }

    /// From now on a signal does not end the process at once.
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
