//! UDP sockets of a test: received datagrams wait in a queue, and sent ones are a script's.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use crate::base::lock::Mutex;

/// A datagram, and its other end.
type Datagram = (SocketAddr, Vec<u8>);

/// The host's end.
#[derive(Debug)]
pub struct StandInDatagrams {
    ways: Arc<DatagramWays>,
    local: SocketAddr,
    /// Watched by the poll: each byte stands for a datagram.
    bell: StdUnixStream,
}

/// The queues of such a socket in both directions.
#[derive(Debug)]
pub struct DatagramWays {
    waiting: Mutex<DatagramQueues>,
    bell: StdUnixStream,
}

#[derive(Debug, Default)]
struct DatagramQueues {
    coming: VecDeque<Datagram>,
    going: VecDeque<Datagram>,
    /// The addresses of the script's peers.
    known: BTreeSet<SocketAddr>,
    /// Other addresses that the host has sent to, and the script has not taken yet.
    strangers: VecDeque<SocketAddr>,
    is_closed: bool,
}

/// A peer of the script's.
#[derive(Debug)]
pub struct DatagramEnd {
    ways: Arc<DatagramWays>,
    address: SocketAddr,
}

impl StandInDatagrams {
    /// A socket that reports this address.
    ///
    /// # Errors
    /// When the system has no more sockets.
    pub fn new(local: SocketAddr) -> io::Result<StandInDatagrams> {
        let (bell, script) = StdUnixStream::pair()?;
        bell.set_nonblocking(true)?;
        let ways = Arc::new(DatagramWays { waiting: Mutex::default(), bell: script });
        Ok(StandInDatagrams { ways, local, bell })
    }

    /// Its queues.
    pub fn ways(&self) -> Arc<DatagramWays> {
        self.ways.clone()
    }

    /// Receives the next datagram, cut to the length of the buffer.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut waiting = self.ways.waiting.lock();
        let Some((from, bytes)) = waiting.coming.pop_front() else {
            // The next datagram rings again.
            while (&self.bell).read(&mut [0; 64]).is_ok_and(|read| 0 < read) {}
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok((length, from))
    }

    /// Sends one datagram.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) {
        let mut waiting = self.ways.waiting.lock();
        if waiting.known.insert(to) {
            waiting.strangers.push_back(to);
        }
        waiting.going.push_back((to, bytes.to_vec()));
    }

    /// The local address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for StandInDatagrams {
    fn drop(&mut self) {
        self.ways.waiting.lock().is_closed = true;
    }
}

impl AsFd for StandInDatagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl DatagramWays {
    /// A peer at this address.
    pub fn peer(ways: &Arc<DatagramWays>, address: SocketAddr) -> DatagramEnd {
        ways.waiting.lock().known.insert(address);
        DatagramEnd { ways: ways.clone(), address }
    }

    /// Takes a peer that the host has sent to, and that the script did not know.
    pub fn take_stranger(ways: &Arc<DatagramWays>) -> Option<DatagramEnd> {
        let address = ways.waiting.lock().strangers.pop_front()?;
        Some(DatagramEnd { ways: ways.clone(), address })
    }

    /// Whether the socket has been closed.
    pub fn are_closed(&self) -> bool {
        self.waiting.lock().is_closed
    }
}

impl DatagramEnd {
    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends one datagram. If the socket is closed it is lost, without an error.
    pub fn send(&self, bytes: Vec<u8>) {
        self.ways.waiting.lock().coming.push_back((self.address, bytes));
        let _ = (&self.ways.bell).write_all(b"!");
    }

    /// Takes the next datagram for this peer.
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut waiting = self.ways.waiting.lock();
        let place = waiting.going.iter().position(|(to, _)| *to == self.address)?;
        waiting.going.remove(place).map(|(_, bytes)| bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_its_datagrams_and_strangers_are_told_of() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let socket = StandInDatagrams::new(at(1)).unwrap();
        let ways = socket.ways();
        let (one, two) = (DatagramWays::peer(&ways, at(2)), DatagramWays::peer(&ways, at(3)));
        let mut buffer = [0; 4];
        assert_eq!(socket.receive(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        one.send(b"one".to_vec());
        two.send(Vec::new());
        assert_eq!(socket.receive(&mut buffer).unwrap(), (3, at(2)));
        assert_eq!(socket.receive(&mut buffer).unwrap(), (0, at(3)));
        socket.send(b"for two", at(3));
        socket.send(b"for one", at(2));
        assert_eq!((one.receive().unwrap(), one.receive()), (b"for one".to_vec(), None));
        assert_eq!(two.receive().unwrap(), b"for two");
        assert!(DatagramWays::take_stranger(&ways).is_none());
        socket.send(b"hello", at(4));
        let stranger = DatagramWays::take_stranger(&ways).unwrap();
        assert_eq!((stranger.address(), stranger.receive().unwrap()), (at(4), b"hello".to_vec()));
        assert!(!ways.are_closed());
        drop(socket);
        assert!(ways.are_closed());
    }
}
