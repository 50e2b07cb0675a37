//! Sockets of tests: socket pairs of which the host has one end and a script the other, with addresses that are only
//! reported.
//!
//! A pair of Unix sockets delivers each byte and each end immediately, so that an idle loop has seen everything; a
//! connection over the network may still have bytes in flight.

pub(crate) mod datagrams;

use std::collections::VecDeque;
use std::io;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use mio::net::UnixStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::base::lock::Mutex;
use crate::base::os;

/// The addresses that the two ends report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaidEnds {
    /// TCP.
    Tcp {
        /// The script's end.
        peer: SocketAddr,
        /// The host's end.
        local: SocketAddr,
    },
    /// A Unix socket at a path.
    Unix(String),
}

/// The host's end.
#[derive(Debug)]
pub struct StandIn {
    socket: UnixStream,
    ends: SaidEnds,
    marks: Arc<StandInMarks>,
}

/// The script's end.
#[derive(Debug)]
pub struct StandInPeer {
    socket: StdUnixStream,
    marks: Arc<StandInMarks>,
}

/// State of a connection that a pair of Unix sockets does not carry.
#[derive(Debug, Default)]
struct StandInMarks {
    answer: AtomicU8,
    peer_resets: AtomicBool,
    host_resets: AtomicBool,
}

/// Neither accepted nor refused yet.
const CONNECTING: u8 = 0;
const CONNECTED: u8 = 1;
const REFUSED: u8 = 2;

/// A connected pair.
///
/// # Errors
/// When the system has no more sockets.
pub(crate) fn pair(ends: SaidEnds) -> io::Result<(StandIn, StandInPeer)> {
    let (host, script) = StdUnixStream::pair()?;
    host.set_nonblocking(true)?;
    script.set_nonblocking(true)?;
    let marks = Arc::new(StandInMarks::default());
    marks.answer.store(CONNECTED, Ordering::Relaxed);
    let stand_in = StandIn { socket: UnixStream::from_std(host), ends, marks: marks.clone() };
    Ok((stand_in, StandInPeer { socket: script, marks }))
}

/// A pair whose host's end is connecting until the script accepts or refuses.
///
/// # Errors
/// When the system has no more sockets.
pub(crate) fn connecting(ends: SaidEnds) -> io::Result<(StandIn, StandInPeer)> {
    let (stand_in, peer) = pair(ends)?;
    stand_in.marks.answer.store(CONNECTING, Ordering::Relaxed);
    // The buffer is full until the script accepts: then the socket becomes writable, as a connected one does.
    (&peer_of(&stand_in)?).write_all(b"?")?;
    Ok((stand_in, peer))
}

fn peer_of(stand_in: &StandIn) -> io::Result<StdUnixStream> {
    Ok(StdUnixStream::from(stand_in.socket.as_fd().try_clone_to_owned()?))
}

impl StandIn {
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    pub fn socket_mut(&mut self) -> &mut UnixStream {
        &mut self.socket
    }

    /// Its addresses; an error while it is connecting.
    pub fn ends(&self) -> io::Result<&SaidEnds> {
        match self.marks.answer.load(Ordering::Relaxed) {
            CONNECTED => Ok(&self.ends),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Whether it stands for TCP.
    pub fn is_tcp(&self) -> bool {
        matches!(self.ends, SaidEnds::Tcp { .. })
    }

    /// The result of a read of 0 bytes: the peer's end, or a reset.
    pub fn at_the_end(&self) -> io::Result<usize> {
        if self.marks.peer_resets.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(0)
    }

    /// Its pending error, if any.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        if self.marks.answer.load(Ordering::Relaxed) == REFUSED {
            return Ok(Some(io::ErrorKind::ConnectionRefused.into()));
        }
        self.socket.take_error()
    }

    /// Makes closing it reset the connection.
    pub fn reset_on_close(&self) {
        self.marks.host_resets.store(true, Ordering::Relaxed);
    }
}

impl StandInPeer {
    /// Accepts the host's connection.
    ///
    /// # Errors
    /// When the host has given up.
    pub fn accept(&self) -> io::Result<()> {
        self.answer(CONNECTED)
    }

    /// Refuses the host's connection.
    ///
    /// # Errors
    /// When the host has given up.
    pub fn refuse(&self) -> io::Result<()> {
        self.answer(REFUSED)
    }

    fn answer(&self, answer: u8) -> io::Result<()> {
        self.marks.answer.store(answer, Ordering::Relaxed);
        (&self.socket).read_exact(&mut [0])
    }

    /// Whether the host has closed its end, or given up connecting.
    pub fn is_closed(&self) -> bool {
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        let at_once = Timespec::default();
        poll(&mut polled, Some(&at_once))
            .is_ok_and(|_| polled[0].revents().contains(PollFlags::HUP))
    }

    /// Reads available bytes. `Ok(0)` means that the host has ended its side.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has come, `ConnectionReset` if the host has reset it.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match (&self.socket).read(buffer) {
            Ok(0) if self.marks.host_resets.load(Ordering::Relaxed) => {
                Err(io::ErrorKind::ConnectionReset.into())
            }
            // Unix sockets also report this when the other end closed with unread input, which is no reset here.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                if self.marks.host_resets.load(Ordering::Relaxed) { Err(error) } else { Ok(0) }
            }
            read => read,
        }
    }

    /// Writes as many bytes as the socket accepts.
    ///
    /// # Errors
    /// `WouldBlock` if the buffer is full, `BrokenPipe` if the host has closed it.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.socket, bytes, os::NO_SIGNAL)?)
    }

    /// Shuts down its write side.
    ///
    /// # Errors
    /// When the host has closed it.
    pub fn end(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Closes it, by a reset if `resets`.
    pub fn close(self, resets: bool) {
        self.marks.peer_resets.store(resets, Ordering::Relaxed);
    }
}

impl AsFd for StandIn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for StandInPeer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A listener that accepts a script's connections.
#[derive(Debug)]
pub struct StandInListener {
    arrivals: Arc<Arrivals>,
    /// Watched by the poll: each byte stands for one connection.
    bell: UnixStream,
}

/// The queue of such a listener. When the listener is closed no other reference to it is left.
#[derive(Debug)]
pub struct Arrivals {
    waiting: Mutex<VecDeque<StandIn>>,
    bell: StdUnixStream,
}

impl StandInListener {
    /// Makes a listener.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub fn new() -> io::Result<StandInListener> {
        let (listener, script) = StdUnixStream::pair()?;
        listener.set_nonblocking(true)?;
        let arrivals = Arc::new(Arrivals { waiting: Mutex::default(), bell: script });
        Ok(StandInListener { arrivals, bell: UnixStream::from_std(listener) })
    }

    /// Its queue.
    pub fn arrivals(&self) -> Arc<Arrivals> {
        self.arrivals.clone()
    }

    /// Accepts the next connection; `WouldBlock` if none waits.
    pub fn accept(&self) -> io::Result<StandIn> {
        let next = self.arrivals.waiting.lock().pop_front();
        next.ok_or_else(|| {
            // The queue is empty: the bytes are taken out, so that the next connection wakes the poll again.
            while (&self.bell).read(&mut [0; 64]).is_ok_and(|read| 0 < read) {}
            io::ErrorKind::WouldBlock.into()
        })
    }

    /// The socket to register with the poll.
    pub fn bell_mut(&mut self) -> &mut UnixStream {
        &mut self.bell
    }
}

impl Arrivals {
    /// Adds a connection.
    ///
    /// # Errors
    /// When the listener is closed.
    pub fn add(&self, stand_in: StandIn) -> io::Result<()> {
        self.waiting.lock().push_back(stand_in);
        (&self.bell).write_all(b"!")
    }

    /// Whether the listener has been closed.
    pub fn are_closed(arrivals: &Arc<Arrivals>) -> bool {
        Arc::strong_count(arrivals) < 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> SaidEnds {
        SaidEnds::Unix(String::new())
    }

    #[test]
    fn what_a_pair_does_not_carry_is_marked() {
        let (host, peer) = pair(ends()).unwrap();
        assert!(host.ends().is_ok());
        peer.close(true);
        assert_eq!(host.at_the_end().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let (host, peer) = pair(ends()).unwrap();
        host.reset_on_close();
        drop(host);
        assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let (host, peer) = pair(ends()).unwrap();
        drop(host);
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_connection_is_made_when_it_is_answered() {
        let (host, peer) = connecting(ends()).unwrap();
        assert!(host.ends().is_err() && host.take_error().unwrap().is_none());
        assert!(!peer.is_closed());
        peer.accept().unwrap();
        assert!(host.ends().is_ok());
        let (host, peer) = connecting(ends()).unwrap();
        peer.refuse().unwrap();
        let error = host.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let (host, peer) = connecting(ends()).unwrap();
        drop(host);
        assert!(peer.is_closed());
    }

    #[test]
    fn a_listener_has_them_in_their_order() {
        let listener = StandInListener::new().unwrap();
        let arrivals = listener.arrivals();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for path in ["/a", "/b"] {
            arrivals.add(pair(SaidEnds::Unix(path.into())).unwrap().0).unwrap();
        }
        let path = || listener.accept().unwrap().ends().unwrap().clone();
        assert_eq!([path(), path()], ["/a", "/b"].map(|path| SaidEnds::Unix(path.into())));
        assert!(!Arrivals::are_closed(&arrivals));
        drop(listener);
        assert!(Arrivals::are_closed(&arrivals));
    }
}
