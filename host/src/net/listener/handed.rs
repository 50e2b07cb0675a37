//! Listeners that the process before has handed over, until this one's sections have taken them; and copies of this one's, for
//! the next.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use socket2::Socket;

use crate::config::address::ListenAddress;
use crate::config::model::Config;
use crate::net::listener::unix::OwnedPath;

/// Sockets that the process before has handed over, each with the address that its section had.
#[derive(Debug, Default)]
pub struct HandedSockets(Vec<(String, OwnedFd)>);

impl HandedSockets {
    /// One more, which was served as this.
    pub fn add(&mut self, served_as: &str, socket: OwnedFd) {
        self.0.push((served_as.to_owned(), socket));
    }

    /// How many nobody has taken.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Those that were served as this.
    pub(super) fn take(&mut self, wanted: &str) -> Vec<Socket> {
        let all = std::mem::take(&mut self.0);
        let (taken, left) = all.into_iter().partition(|(served_as, _)| *served_as == wanted);
        self.0 = left;
        taken.into_iter().map(|(_, socket): (String, OwnedFd)| Socket::from(socket)).collect()
    }
}

/// What the section at this place is known as to the next process: by its address as it is written, which of several it is
/// where that leaves the port to the system. With or without TLS it is the same socket.
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

/// What the next process gets of one address: copies of its sockets, and the path that leads to them. A section that takes the place
/// of another at a reload has the same.
#[derive(Debug)]
pub struct Heirloom {
    served_as: String,
    path: Option<Arc<OwnedPath>>,
    copies: Mutex<Arc<Vec<OwnedFd>>>,
}

/// All that there are.
static HEIRLOOMS: Mutex<Vec<Weak<Heirloom>>> = Mutex::new(Vec::new());

/// All that are served now.
pub fn heirlooms() -> Vec<Arc<Heirloom>> {
    HEIRLOOMS.lock().iter().filter_map(Weak::upgrade).collect()
}

impl Heirloom {
    /// Of these sockets.
    ///
    /// # Errors
    /// When the process may open no more files.
    pub(super) fn of<'a>(
        served_as: String,
        path: Option<&Arc<OwnedPath>>,
        sockets: impl Iterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<Arc<Heirloom>> {
        let copies = sockets.map(|socket| socket.try_clone_to_owned());
        let copies = Mutex::new(Arc::new(copies.collect::<io::Result<_>>()?));
        let heirloom = Arc::new(Heirloom { served_as, path: path.cloned(), copies });
        let mut all = HEIRLOOMS.lock();
        all.retain(|other| 0 < other.strong_count());
        all.push(Arc::downgrade(&heirloom));
        Ok(heirloom)
    }

    /// What it is known as, and its sockets. They stay open for as long as somebody has them.
    pub fn get(&self) -> (&str, Arc<Vec<OwnedFd>>) {
        (&self.served_as, self.copies.lock().clone())
    }

    /// The process that has handed its sockets over has given up its path, too.
    pub fn claim(&self) {
        self.path.iter().for_each(|path| path.claim());
    }

    /// Another process has its sockets now, and its path.
    pub fn hand_over(&self) {
        self.path.iter().for_each(|path| path.hand_over());
    }

    /// Closes the sockets: nobody takes over any more.
    pub(super) fn close(&self) {
        *self.copies.lock() = Arc::default();
    }
}
