//! All kinds of socket that a connection can have, with one interface.

use std::io;
use std::io::{IoSlice, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, recv, send};
use socket2::SockRef;

use crate::base::os;
use crate::base::retry::retry;
use crate::net::connection::tls::TlsStream;
use crate::net::datagram::DatagramPeer;
use crate::net::datagram::port::DatagramPort;
use crate::net::stand_in::{SaidEnds, StandIn};

/// A non-blocking socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A Unix domain stream.
    Unix(UnixStream),
    /// One of the two with TLS.
    Tls(Box<TlsStream>),
    /// One peer of a UDP listener. The listener reads the socket and is registered with the poll.
    Datagram(DatagramPeer),
    /// A UDP socket of the connection's own, with any number of peers.
    Port(Box<DatagramPort>),
    /// A socket pair of a test, whose other end is a script's.
    StandIn(Box<StandIn>),
}

/// A socket address, as logs and plugins name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAddress {
    /// An IP address and port, of TCP or UDP.
    Tcp(std::net::SocketAddr),
    /// A path; empty for an unnamed socket.
    Unix(String),
}

impl Stream {
    /// Reads available bytes. Like [`Stream::write`] it bypasses the C library, whose wrappers are cancellation points and
    /// cost a check for each call.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(_) | Stream::Unix(_) | Stream::StandIn(_) => {}
            Stream::Tls(stream) => return stream.read(buffer),
            Stream::Datagram(_) => return Err(io::ErrorKind::WouldBlock.into()),
            Stream::Port(port) => return retry(|| port.receive(buffer)),
        }
        let (read, _) = retry(|| Ok(recv(&*self, &mut *buffer, RecvFlags::empty())?))?;
        match self {
            Stream::StandIn(stand_in) if read == 0 && !buffer.is_empty() => stand_in.at_the_end(),
            _ => Ok(read),
        }
    }

    /// Writes as many bytes as the socket accepts.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(_) | Stream::Unix(_) | Stream::StandIn(_) => {}
            Stream::Tls(stream) => return stream.write(bytes),
            Stream::Datagram(peer) => return retry(|| peer.send(bytes)),
            Stream::Port(port) => return retry(|| port.answer(bytes)),
        }
        // A write to a closed peer returns EPIPE instead of raising SIGPIPE.
        retry(|| Ok(send(&*self, bytes, os::NO_SIGNAL)?))
    }

    /// Writes as many bytes of several slices as the socket accepts.
    pub fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| match self {
            Stream::Tcp(stream) => stream.write_vectored(pieces),
            Stream::Unix(stream) => stream.write_vectored(pieces),
            Stream::StandIn(stand_in) => stand_in.socket_mut().write_vectored(pieces),
            Stream::Tls(stream) => stream.write(pieces.first().map_or(&[], |piece| piece)),
            // Only an outbox has more than one slice, and its connection has none.
            Stream::Datagram(peer) => peer.send(pieces.first().map_or(&[], |piece| piece)),
            Stream::Port(port) => port.answer(pieces.first().map_or(&[], |piece| piece)),
        })
    }

    /// Shuts down the write side: the peer reads the end of the stream.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::StandIn(stand_in) => stand_in.socket().shutdown(Shutdown::Write),
            Stream::Tls(stream) => stream.socket().shutdown_write(),
            Stream::Datagram(_) | Stream::Port(_) => Ok(()),
        }
    }

    /// Makes closing it reset the connection, if it is TCP.
    pub fn reset_on_close(&self) {
        match self {
            Stream::Tcp(stream) => {
                // If this fails the peer sees an orderly end, which is acceptable.
                if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
                    tracing::debug!(%error, "a socket cannot be reset");
                }
            }
            Stream::Tls(stream) => stream.socket().reset_on_close(),
            Stream::StandIn(stand_in) => stand_in.reset_on_close(),
            Stream::Unix(_) | Stream::Datagram(_) | Stream::Port(_) => {}
        }
    }

    /// Whether its socket may have another descriptor, with which it stays open, and registered with a poll, when this one is
    /// closed.
    pub fn is_shared(&self) -> bool {
        matches!(self, Stream::StandIn(_))
    }

    /// Its TLS stream, if it has TLS.
    pub fn tls(&mut self) -> Option<&mut TlsStream> {
        match self {
            Stream::Tls(stream) => Some(stream),
            Stream::Tcp(_)
            | Stream::Unix(_)
            | Stream::Datagram(_)
            | Stream::Port(_)
            | Stream::StandIn(_) => None,
        }
    }

    /// Whether `sendfile` works on it.
    pub fn takes_files(&self) -> bool {
        matches!(self, Stream::Tcp(_) | Stream::Unix(_) | Stream::StandIn(_))
    }

    /// Whether its TLS session holds records that are not written.
    pub fn holds_output(&self) -> bool {
        matches!(self, Stream::Tls(stream) if stream.holds_output())
    }

    /// Whether there may be input that the poll does not report.
    pub fn holds_input(&self) -> bool {
        match self {
            Stream::Tls(stream) => stream.holds_input(),
            Stream::Port(port) => port.holds_input(),
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Datagram(_) | Stream::StandIn(_) => false,
        }
    }

    /// Whether it carries datagrams, which are never queued.
    pub fn has_datagrams(&self) -> bool {
        matches!(self, Stream::Datagram(_) | Stream::Port(_))
    }

    /// Whether unread input is there; with TLS, encrypted records.
    pub fn has_unread(&self) -> bool {
        match self {
            // The listener reads it.
            Stream::Datagram(_) => false,
            _ => rustix::io::ioctl_fionread(self).is_ok_and(|bytes| 0 < bytes),
        }
    }

    /// Reads and discards input.
    pub fn discard(&mut self, rubbish: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tls(stream) => stream.socket_mut().read(rubbish),
            // Unread datagrams are dropped with the socket.
            Stream::Port(_) => Ok(0),
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Datagram(_) | Stream::StandIn(_) => {
                self.read(rubbish)
            }
        }
    }

    /// The pending error of the socket (`SO_ERROR`), if any; reading clears it.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Stream::Tcp(stream) => stream.take_error(),
            Stream::Unix(stream) => stream.take_error(),
            Stream::Tls(stream) => stream.socket().take_error(),
            Stream::StandIn(stand_in) => stand_in.take_error(),
            // An ICMP error for one datagram does not end the connection.
            Stream::Datagram(_) | Stream::Port(_) => Ok(None),
        }
    }

    /// The peer's address; an error while it is not connected.
    pub fn peer(&self) -> io::Result<SocketAddress> {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().map(SocketAddress::Tcp),
            Stream::Tls(stream) => stream.socket().peer(),
            Stream::Datagram(peer) => Ok(SocketAddress::Tcp(peer.address())),
            Stream::StandIn(stand_in) => Ok(match stand_in.ends()? {
                SaidEnds::Tcp { peer, .. } => SocketAddress::Tcp(*peer),
                SaidEnds::Unix(_) => SocketAddress::unix(None),
            }),
            Stream::Port(port) => {
                port.peer().map(SocketAddress::Tcp).ok_or(io::ErrorKind::NotConnected.into())
            }
            Stream::Unix(stream) => {
                stream.peer_addr().map(|address| SocketAddress::unix(address.as_pathname()))
            }
        }
    }

    /// The local address.
    pub fn local(&self) -> io::Result<SocketAddress> {
        match self {
            Stream::Tcp(stream) => stream.local_addr().map(SocketAddress::Tcp),
            Stream::Tls(stream) => stream.socket().local(),
            Stream::Datagram(peer) => peer.local().map(SocketAddress::Tcp),
            Stream::StandIn(stand_in) => Ok(match stand_in.ends()? {
                SaidEnds::Tcp { local, .. } => SocketAddress::Tcp(*local),
                SaidEnds::Unix(path) => SocketAddress::Unix(path.clone()),
            }),
            Stream::Port(port) => port.local().map(SocketAddress::Tcp),
            Stream::Unix(stream) => {
                stream.local_addr().map(|address| SocketAddress::unix(address.as_pathname()))
            }
        }
    }
}

impl SocketAddress {
    fn unix(path: Option<&Path>) -> SocketAddress {
        SocketAddress::Unix(
            path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
        )
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tls(stream) => stream.socket().as_fd(),
            Stream::Datagram(peer) => peer.as_fd(),
            Stream::Port(port) => port.as_fd(),
            Stream::StandIn(stand_in) => stand_in.as_fd(),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, what),
            Stream::Unix(stream) => stream.register(registry, token, what),
            Stream::Tls(stream) => stream.socket_mut().register(registry, token, what),
            Stream::Datagram(_) => Ok(()),
            Stream::Port(port) => port.register(registry, token, what),
            Stream::StandIn(stand_in) => stand_in.socket_mut().register(registry, token, what),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.reregister(registry, token, what),
            Stream::Unix(stream) => stream.reregister(registry, token, what),
            Stream::Tls(stream) => stream.socket_mut().reregister(registry, token, what),
            Stream::Datagram(_) => Ok(()),
            Stream::Port(port) => port.reregister(registry, token, what),
            Stream::StandIn(stand_in) => stand_in.socket_mut().reregister(registry, token, what),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.deregister(registry),
            Stream::Unix(stream) => stream.deregister(registry),
            Stream::Tls(stream) => stream.socket_mut().deregister(registry),
            Stream::Datagram(_) => Ok(()),
            Stream::Port(port) => port.deregister(registry),
            Stream::StandIn(stand_in) => stand_in.socket_mut().deregister(registry),
        }
    }
}
