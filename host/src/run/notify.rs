//! What the service manager is told that has started the host, systemd as a rule: sd_notify(3).
//!
//! Forty lines over a datagram socket, and not one of the libraries for it: these wait until the manager has room, and the thread
//! that supervises the host waits for nobody. The variables stay as they are, since nothing that the host starts inherits them.

use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::os;
use crate::base::thread::Threads;
use crate::clock;

/// How long the manager is asked to wait for more while the plugins are made ready; this is asked three times as often.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of a status: `systemctl status` has one line for it.
const STATUS_MAX: usize = 400;

/// The service manager, where there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    told: Option<Arc<NotifySocket>>,
    /// Why it is told nothing, where the environment names one.
    fault: Option<String>,
}

#[derive(Debug)]
struct NotifySocket {
    socket: UnixDatagram,
    manager: SocketAddr,
    watchdog: Option<Duration>,
    /// What it had no room for; only the newest state is of use.
    owed: Mutex<Option<String>>,
}

impl ServiceManager {
    /// The manager that the environment names: `NOTIFY_SOCKET`, with the watchdog of `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn of_environment() -> ServiceManager {
        let named = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let variable = |name| std::env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
        match named.map(|name| NotifySocket::at(name.as_bytes(), watchdog)) {
            None => ServiceManager::default(),
            Some(Ok(told)) => ServiceManager { told: Some(Arc::new(told)), fault: None },
            Some(Err(error)) => ServiceManager { told: None, fault: Some(error.to_string()) },
        }
    }

    /// How long the host may be silent before it counts as dead; none where nobody watches.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.told.as_ref().and_then(|told| told.watchdog)
    }

    /// The start has begun. Until what this answers is dropped, the manager is asked for as much time as it takes: compiling has
    /// bounds of its own.
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
        // Where there is no room now, there is the next time.
        let _ = told.send(&extension(START_PATIENCE));
        let (ends, ended) = channel();
        Threads::new().spawn("start".to_owned(), move || {
            while ended.recv_timeout(START_PATIENCE / 3) == Err(RecvTimeoutError::Timeout) {
                let _ = told.send(&extension(START_PATIENCE));
            }
        })?;
        Ok(Starting { _ends: Some(ends) })
    }

    /// Every port is open and every plugin has begun, or a reload is over.
    pub(super) fn ready(&self, status: &str) {
        self.state(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// A reload begins; [`ServiceManager::ready`] says that it is over.
    pub(super) fn reloading(&self) {
        let now = clock::monotonic().as_micros();
        self.state(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading"));
    }

    /// The stop has begun, and takes as long as this.
    pub(super) fn stopping(&self, longest: Duration) {
        self.state(&format!("STOPPING=1\nSTATUS=stopping\n{}", extension(longest)));
    }

    /// Why there will be no host.
    pub fn failed(&self, cause: &str) {
        self.state(&format!("STATUS={}", one_line(cause)));
    }

    /// The host lives.
    pub(super) fn alive(&self) {
        if let Some(told) = &self.told {
            // As above.
            let _ = told.send("WATCHDOG=1");
        }
    }

    /// Whether there is something to tell again, because the manager had no room.
    pub(super) fn owes(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.lock().is_some())
    }

    /// Tells it again.
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

/// While it lives the manager is asked for time.
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

    /// Tells a state, or keeps it where there is no room.
    fn state(&self, lines: &str) {
        *self.lock() = None;
        if self.send(lines) == Err(io::ErrorKind::WouldBlock) {
            *self.lock() = Some(lines.to_owned());
        }
    }

    fn send(&self, lines: &str) -> Result<(), io::ErrorKind> {
        let sent = self.socket.send_to_addr(lines.as_bytes(), &self.manager);
        sent.map(drop).map_err(|error| {
            // Whoever has started the host may be gone, and the host serves all the same.
            tracing::debug!(%error, lines, "the service manager is not told");
            error.kind()
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        // Each change is whole before anything can panic.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn extension(longest: Duration) -> String {
    format!("EXTEND_TIMEOUT_USEC={}", longest.as_micros())
}

/// The watchdog that these variables ask for, of this process.
fn watchdog(microseconds: Option<String>, process: Option<String>) -> Option<Duration> {
    let this = std::process::id().to_string();
    let is_ours = process.is_none_or(|process| process == this);
    let microseconds: u64 = microseconds.filter(|_| is_ours)?.parse().ok()?;
    (0 < microseconds).then(|| Duration::from_micros(microseconds))
}

/// Text that cannot be taken for further lines.
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
        let host = ServiceManager { told: Some(Arc::new(told)), fault: None };
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
