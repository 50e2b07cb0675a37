//! Listening sockets that the previous process has handed over, until a section takes them; and copies of this process's,
//! for the next one.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use socket2::Socket;

use crate::base::lock::Mutex;
use crate::config::address::ListenAddress;
use crate::config::model::Config;
use crate::net::listener::unix::OwnedPath;

/// Sockets that the previous process has handed over, each with the address by which its section was known.
#[derive(Debug, Default)]
pub struct HandedSockets(Vec<(String, OwnedFd)>);

impl HandedSockets {
    /// Adds a socket that was known as `served_as`.
    pub fn add(&mut self, served_as: &str, socket: OwnedFd) {
        self.0.push((served_as.to_owned(), socket));
    }

    /// The number of sockets that no section has taken.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Takes the sockets that were known as `wanted`.
    pub(super) fn take(&mut self, wanted: &str) -> Vec<Socket> {
        let all = std::mem::take(&mut self.0);
        let (taken, left) = all.into_iter().partition(|(served_as, _)| *served_as == wanted);
        self.0 = left;
        taken.into_iter().map(|(_, socket): (String, OwnedFd)| Socket::from(socket)).collect()
    }
}

/// The name by which the next process finds the socket of a section: its address as configured, with a number if several
/// sections have the same address with port 0. TLS makes no difference.
pub(super) fn served_as(config: &Config, place: usize) -> String {
    let plain = |place: usize| match &config.listeners[place].address {
        ListenAddress::Tls(address) => ListenAddress::Tcp(*address).to_string(),
        address => address.to_string(),
    };
    let own = plain(place);
    match (0..place).filter(|other| plain(*other) == own).count() {
        0 => own,
        before => format!("{own} {before}"),
    }
}

/// The sockets of one address for the next process: copies of this process's, and the path that leads to them. After a reload
/// the section that replaces another keeps them.
#[derive(Debug)]
pub(crate) struct HandoverSockets {
    served_as: String,
    path: Option<Arc<OwnedPath>>,
    copies: Mutex<Arc<Vec<OwnedFd>>>,
}

static HANDOVER_SOCKETS: Mutex<Vec<Weak<HandoverSockets>>> = Mutex::new(Vec::new());

/// Those of all addresses that are served now.
pub(crate) fn handover_sockets() -> Vec<Arc<HandoverSockets>> {
    HANDOVER_SOCKETS.lock().iter().filter_map(Weak::upgrade).collect()
}

impl HandoverSockets {
    /// Copies `sockets`.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub(super) fn of<'a>(
        served_as: String,
        path: Option<&Arc<OwnedPath>>,
        sockets: impl Iterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<Arc<HandoverSockets>> {
        let copies = sockets.map(|socket| socket.try_clone_to_owned());
        let copies = Mutex::new(Arc::new(copies.collect::<io::Result<_>>()?));
        let handed = Arc::new(HandoverSockets { served_as, path: path.cloned(), copies });
        let mut all = HANDOVER_SOCKETS.lock();
        all.retain(|other| 0 < other.strong_count());
        all.push(Arc::downgrade(&handed));
        Ok(handed)
    }

    /// The name of the address, and the sockets. They stay open until the last `Arc` is dropped.
    pub(crate) fn get(&self) -> (&str, Arc<Vec<OwnedFd>>) {
        (&self.served_as, self.copies.lock().clone())
    }

    /// The previous process has handed its sockets over, and its path with them.
    pub(crate) fn claim(&self) {
        self.path.iter().for_each(|path| path.claim());
    }

    /// Another process has taken over the sockets and the path.
    pub(crate) fn hand_over(&self) {
        self.path.iter().for_each(|path| path.hand_over());
    }

    /// Closes the sockets: no process takes over any more.
    pub(super) fn close(&self) {
        *self.copies.lock() = Arc::default();
    }
}
