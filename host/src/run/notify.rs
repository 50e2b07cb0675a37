//! Notifications to the service manager, usually systemd: sd_notify(3).
//!
//! Implemented here, since the libraries block until the manager has room, and the main thread must not block. The
//! variables of the environment are kept, since no child process inherits them.

use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::base::lock::{Mutex, MutexGuard};
use crate::base::os;
use crate::base::thread::Threads;
use crate::clock;

/// The time by which the start-up time-out is extended while the plugins are prepared; extended three times as often.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of a status, which `systemctl status` shows in one line.
const STATUS_MAX: usize = 400;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    told: Option<Arc<NotifySocket>>,
    /// Why it cannot be reached, if the environment names one.
    fault: Option<String>,
    /// Whether another process is the service now: what becomes of this one is none of the manager's business any more.
    is_relieved: AtomicBool,
}

#[derive(Debug)]
struct NotifySocket {
    socket: UnixDatagram,
    manager: SocketAddr,
    watchdog: Option<Duration>,
    /// The newest state, if the manager had no room for it.
    owed: Mutex<Option<String>>,
}

impl ServiceManager {
    /// The manager of the environment: `NOTIFY_SOCKET`, with the watchdog of `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn of_environment() -> ServiceManager {
        let named = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let variable = |name| std::env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
        match named.map(|name| NotifySocket::at(name.as_bytes(), watchdog)) {
            None => ServiceManager::default(),
            Some(Ok(told)) => ServiceManager::new(Some(Arc::new(told)), None),
            Some(Err(error)) => ServiceManager::new(None, Some(error.to_string())),
        }
    }

    fn new(told: Option<Arc<NotifySocket>>, fault: Option<String>) -> ServiceManager {
        ServiceManager { told, fault, is_relieved: AtomicBool::new(false) }
    }

    /// How long the host may be silent before it counts as dead; none where nobody watches.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.told.as_ref().and_then(|told| told.watchdog)
    }

    /// Notes that the start has begun. Until the returned value is dropped the start-up time-out is extended again and again:
    /// compilation has bounds of its own.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub(super) fn starting(&self, plugins: usize) -> io::Result<Starting> {
        if let Some(cause) = &self.fault {
            tracing::warn!(
                cause,
                "the service manager is told nothing: NOTIFY_SOCKET is no address"
            );
        }
        let Some(told) = self.told.clone() else { return Ok(Starting { _ends: None }) };
        told.state(&format!("STATUS=loading plugins: {plugins}"));
        // If the manager has no room now, the next extension will do.
        let _ = told.send(&extension(START_PATIENCE));
        let (ends, ended) = channel();
        Threads::new().spawn("start".to_owned(), move || {
            while ended.recv_timeout(START_PATIENCE / 3) == Err(RecvTimeoutError::Timeout) {
                let _ = told.send(&extension(START_PATIENCE));
            }
        })?;
        Ok(Starting { _ends: Some(ends) })
    }

    /// READY: every port is open and every plugin has started, or a reload has ended.
    pub(super) fn ready(&self, status: &str) {
        self.state(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// RELOADING, until [`ServiceManager::ready`].
    pub(super) fn reloading(&self) {
        let now = clock::monotonic().as_micros();
        self.state(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading"));
    }

    /// The process with this number is the service now, as long as this one still has connections and when it has gone. It has
    /// the watchdog to itself, if it wants one: nobody else is watched.
    pub(super) fn handed_over(&self, process: i32) {
        let watchdog = if self.watchdog().is_some() { "\nWATCHDOG_USEC=0" } else { "" };
        self.state(&format!("MAINPID={process}\nSTATUS=handed over to {process}{watchdog}"));
        self.is_relieved.store(true, Ordering::Relaxed);
    }

    /// The stop has begun, and takes as long as this.
    pub(super) fn stopping(&self, longest: Duration) {
        if self.is_relieved.load(Ordering::Relaxed) {
            return;
        }
        self.state(&format!("STOPPING=1\nSTATUS=stopping\n{}", extension(longest)));
    }

    /// The start has failed.
    pub fn failed(&self, cause: &str) {
        self.state(&format!("STATUS={}", one_line(cause)));
    }

    /// Keeps the watchdog from firing.
    pub(super) fn alive(&self) {
        if let Some(told) = &self.told {
            // As above.
            let _ = told.send("WATCHDOG=1");
        }
    }

    /// Whether a state has to be sent again because the manager had no room.
    pub(super) fn owes(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.lock().is_some())
    }

    /// Sends it again.
    pub(super) fn tell_again(&self) {
        let owed = self.told.as_ref().and_then(|told| told.lock().take());
        if let Some(owed) = owed {
            self.state(&owed);
        }
    }

    fn state(&self, lines: &str) {
        if let Some(told) = &self.told {
            told.state(lines);
        }
    }
}

/// Extends the start-up time-out until it is dropped.
#[derive(Debug)]
pub(super) struct Starting {
    _ends: Option<Sender<()>>,
}

impl NotifySocket {
    fn at(name: &[u8], watchdog: Option<Duration>) -> io::Result<NotifySocket> {
        let manager = match name {
            [b'@', name @ ..] => os::abstract_address(name)?,
            [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(NotifySocket { socket, manager, watchdog, owed: Mutex::default() })
    }

    /// Sends a state, or keeps it if the manager has no room.
    fn state(&self, lines: &str) {
        *self.lock() = None;
        if self.send(lines) == Err(io::ErrorKind::WouldBlock) {
            *self.lock() = Some(lines.to_owned());
        }
    }

    fn send(&self, lines: &str) -> Result<(), io::ErrorKind> {
        let sent = self.socket.send_to_addr(lines.as_bytes(), &self.manager);
        sent.map(drop).map_err(|error| {
            // The manager may be gone, which does not affect the host.
            tracing::debug!(%error, lines, "the service manager is not told");
            error.kind()
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.owed.lock()
    }
}

fn extension(longest: Duration) -> String {
    format!("EXTEND_TIMEOUT_USEC={}", longest.as_micros())
}

/// The time-out of the watchdog, if these variables are for this process.
fn watchdog(microseconds: Option<String>, process: Option<String>) -> Option<Duration> {
    let this = std::process::id().to_string();
    let is_ours = process.is_none_or(|process| process == this);
    let microseconds: u64 = microseconds.filter(|_| is_ours)?.parse().ok()?;
    (0 < microseconds).then(|| Duration::from_micros(microseconds))
}

/// Makes a text one line, so that it cannot add variables.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take_while(|character| *character != '\n') {
        if STATUS_MAX < line.len() + character.len_utf8() {
            let _ = write!(line, "…");
            break;
        }
        line.push(if character.is_control() { ' ' } else { character });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_of_this_process_and_has_a_time() {
        let this = std::process::id().to_string();
        let check = |microseconds: &str, process: Option<&str>| {
            watchdog(Some(microseconds.to_owned()), process.map(str::to_owned))
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(check("1000000", None), second);
        assert_eq!(check("1000000", Some(&this)), second);
        assert_eq!(check("1000000", Some("1")), None);
        assert_eq!(check("0", None), None);
        assert_eq!(check("a while", None), None);
        assert_eq!(watchdog(None, None), None);
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(one_line("a\tb\nREADY=1"), "a b");
        let long = one_line(&"ä".repeat(STATUS_MAX));
        assert!(long.ends_with("ä…") && long.len() <= STATUS_MAX + "…".len(), "{long}");
    }

    #[test]
    fn what_has_no_room_is_told_again_and_only_the_newest() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        let told = NotifySocket::at(path.as_os_str().as_bytes(), None).expect("an address");
        let host = ServiceManager::new(Some(Arc::new(told)), None);
        let mut sent = 0;
        while !host.owes() {
            host.ready(&sent.to_string());
            sent += 1;
        }
        host.stopping(Duration::from_secs(1));
        assert!(host.owes());
        let mut bytes = [0; 256];
        let mut next = || {
            let length = manager.recv(&mut bytes).expect("a message");
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        for number in 0..sent - 1 {
            assert_eq!(next(), format!("READY=1\nSTATUS={number}"));
        }
        host.tell_again();
        assert!(!host.owes());
        assert_eq!(next(), "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=1000000");
        drop(manager);
        host.ready("nobody listens");
        assert!(!host.owes(), "a manager that is gone is not waited for");
    }
}
