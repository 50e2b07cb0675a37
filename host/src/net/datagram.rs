//! UDP: one socket for all peers of a listener, and each peer as a connection has it.

pub(crate) mod port;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// The most that one datagram carries: what the length field of an IPv4 packet leaves beside both headers. With IPv6 twenty
/// bytes more would fit; the system says so where it matters.
pub const DATAGRAM_MAX: usize = 65_507;

/// A listener's socket, shared by the connections of its peers.
#[derive(Debug, Clone)]
pub struct DatagramSocket(Arc<UdpSocket>);

/// One peer: what is sent goes to it.
#[derive(Debug)]
pub struct DatagramPeer {
    socket: DatagramSocket,
    peer: SocketAddr,
}

impl DatagramSocket {
    /// A socket that is bound and does not block.
    pub fn new(socket: UdpSocket) -> DatagramSocket {
        DatagramSocket(Arc::new(socket))
    }

    /// The next datagram that waits, whole where the buffer has room for it, and who sent it.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer)
    }

    /// Sends one datagram, whole or not at all.
    fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.send_to(bytes, to)
    }

    /// This end.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// A connection's end of it.
    pub fn peer(&self, peer: SocketAddr) -> DatagramPeer {
        DatagramPeer { socket: self.clone(), peer }
    }
}

impl DatagramPeer {
    /// Sends one datagram, whole or not at all.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send(bytes, self.peer)
    }

    /// The other end.
    pub fn address(&self) -> SocketAddr {
        self.peer
    }

    /// This end.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local()
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for DatagramPeer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Source for DatagramSocket {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, what)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, what)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}
