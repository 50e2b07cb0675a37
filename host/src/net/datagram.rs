//! UDP: one socket for all peers of a listener, and one peer as the socket of a connection.

pub(crate) mod port;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use crate::net::stand_in::datagrams::StandInDatagrams;

/// The most bytes of one datagram: the longest IPv4 packet without both headers. IPv6 has room for twenty more; the
/// system refuses what is too long.
pub(crate) const DATAGRAM_MAX: usize = 65_507;

/// A listener's socket, shared by the connections of its peers.
#[derive(Debug, Clone)]
pub struct DatagramSocket(Arc<DatagramCarrier>);

/// The carrier of datagrams.
#[derive(Debug)]
enum DatagramCarrier {
    System(UdpSocket),
    Scripted(StandInDatagrams),
}

/// One peer of a listener's socket.
#[derive(Debug)]
pub struct DatagramPeer {
    socket: DatagramSocket,
    peer: SocketAddr,
}

impl DatagramSocket {
    /// Wraps a socket that is bound and non-blocking.
    pub fn new(socket: UdpSocket) -> DatagramSocket {
        DatagramSocket(Arc::new(DatagramCarrier::System(socket)))
    }

    /// A socket whose peers are a script's.
    pub fn scripted(socket: StandInDatagrams) -> DatagramSocket {
        DatagramSocket(Arc::new(DatagramCarrier::Scripted(socket)))
    }

    /// Receives the next datagram, cut to the length of the buffer, and the address of its sender.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &*self.0 {
            DatagramCarrier::System(socket) => socket.recv_from(buffer),
            DatagramCarrier::Scripted(socket) => socket.receive(buffer),
        }
    }

    fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        match &*self.0 {
            DatagramCarrier::System(socket) => socket.send_to(bytes, to),
            DatagramCarrier::Scripted(_) if DATAGRAM_MAX < bytes.len() => {
                Err(Errno::MSGSIZE.into())
            }
            DatagramCarrier::Scripted(socket) => {
                socket.send(bytes, to);
                Ok(bytes.len())
            }
        }
    }

    /// The local address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        match &*self.0 {
            DatagramCarrier::System(socket) => socket.local_addr(),
            DatagramCarrier::Scripted(socket) => Ok(socket.local()),
        }
    }

    /// The socket of one peer's connection.
    pub fn peer(&self, peer: SocketAddr) -> DatagramPeer {
        DatagramPeer { socket: self.clone(), peer }
    }
}

impl DatagramPeer {
    /// Sends one datagram to the peer.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send(bytes, self.peer)
    }

    /// The peer's address.
    pub fn address(&self) -> SocketAddr {
        self.peer
    }

    /// The local address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local()
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &*self.0 {
            DatagramCarrier::System(socket) => socket.as_fd(),
            DatagramCarrier::Scripted(socket) => socket.as_fd(),
        }
    }
}

impl AsFd for DatagramPeer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Source for DatagramSocket {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.as_fd().as_raw_fd()).register(registry, token, what)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.as_fd().as_raw_fd()).reregister(registry, token, what)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.as_fd().as_raw_fd()).deregister(registry)
    }
}
