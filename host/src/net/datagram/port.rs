//! A UDP socket that a plugin has opened: one connection for all peers, which answers the sender of the last datagram.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::net::datagram::DatagramSocket;

/// Bytes of the IPv4 and UDP headers of a datagram.
const HEADER_BYTES: usize = 28;

/// Why a datagram to the last sender is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFault {
    /// No datagram was received yet.
    NoPeer,
    /// The bytes with which the sender may be answered are used up.
    UsedUp,
}

/// Whether the plugin may send to an address that has sent nothing.
pub(crate) type MaySend = Box<dyn Fn(SocketAddr) -> bool + Send + Sync>;

/// A UDP socket of a plugin's own.
pub struct DatagramPort {
    socket: DatagramSocket,
    local: SocketAddr,
    /// The sender of the last datagram.
    peer: Option<SocketAddr>,
    /// Bytes, headers included, that may still be sent to that address; none if unlimited.
    answers: Option<usize>,
    /// The amplification factor: how many times the received bytes may be answered.
    factor: usize,
    may_send: MaySend,
    /// Dropped with the socket.
    _with: Option<Box<dyn Send + Sync>>,
    /// Whether there may be input that the poll does not report.
    holds_input: bool,
}

impl DatagramPort {
    /// `socket` is bound to `local`. An address that `may_send` refuses gets up to `factor` times the bytes that it has sent.
    pub fn new(
        socket: DatagramSocket,
        local: SocketAddr,
        factor: usize,
        may_send: MaySend,
    ) -> DatagramPort {
        let (peer, answers, holds_input) = (None, None, false);
        DatagramPort { socket, local, peer, answers, factor, may_send, _with: None, holds_input }
    }

    /// Has `thing` dropped with the socket.
    pub fn with(self, thing: impl Send + Sync + 'static) -> DatagramPort {
        DatagramPort { _with: Some(Box::new(thing)), ..self }
    }

    /// Receives the next datagram, cut to the length of the buffer. An error of one datagram does not end the socket.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.holds_input = false;
        match self.socket.receive(buffer) {
            Ok((length, from)) => {
                self.holds_input = true;
                self.has_come(length, from);
                Ok(length)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Err(error)
            }
            Err(error) => {
                tracing::debug!(%error, "a datagram was not received");
                // The error is cleared by this read, and more datagrams may wait.
                self.holds_input = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    fn has_come(&mut self, length: usize, from: SocketAddr) {
        let may_answer = length.saturating_add(HEADER_BYTES).saturating_mul(self.factor);
        if self.peer == Some(from) {
            // Unused allowance does not add up: the sender's address may be forged.
            self.answers = self.answers.map(|left| left.max(may_answer));
            return;
        }
        self.peer = Some(from);
        self.answers = (!(self.may_send)(from)).then_some(may_answer);
    }

    /// Checks whether the last sender may be answered with `bytes` bytes.
    pub fn check_answer(&self, bytes: usize) -> Result<(), AnswerFault> {
        match (self.peer, self.answers) {
            (None, _) => Err(AnswerFault::NoPeer),
            (_, Some(left)) if left < bytes.saturating_add(HEADER_BYTES) => {
                Err(AnswerFault::UsedUp)
            }
            _ => Ok(()),
        }
    }

    /// Answers the last sender. The caller has called [`DatagramPort::check_answer`].
    pub fn answer(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let peer = self.peer.ok_or(io::ErrorKind::NotConnected)?;
        let sent = self.socket.send(bytes, peer)?;
        self.answers = self.answers.map(|left| left.saturating_sub(sent + HEADER_BYTES));
        Ok(sent)
    }

    /// Sends one datagram to an address.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.socket.send(bytes, to)
    }

    /// Whether an address is of the socket's family, IPv4 or IPv6.
    pub fn is_of_family(&self, address: SocketAddr) -> bool {
        self.local.is_ipv4() == address.is_ipv4()
    }

    /// The sender of the last datagram.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The local address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local()
    }

    /// Whether there may be input that the poll does not report.
    pub fn holds_input(&self) -> bool {
        self.holds_input
    }
}

impl fmt::Debug for DatagramPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramPort").field("local", &self.local).finish_non_exhaustive()
    }
}

impl AsFd for DatagramPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Source for DatagramPort {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        self.socket.register(registry, token, what)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        self.socket.reregister(registry, token, what)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket.deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn bound() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        let address = socket.local_addr().expect("it is bound");
        (socket, address)
    }

    #[test]
    fn who_is_not_granted_is_answered_with_three_times_what_he_sends() {
        let ((own, local), (granted, to_granted), (other, _)) = (bound(), bound(), bound());
        let may_send: MaySend = Box::new(move |address| address == to_granted);
        let mut port = DatagramPort::new(DatagramSocket::new(own), local, 3, may_send);
        let mut buffer = [0; 100];
        assert_eq!(port.check_answer(0), Err(AnswerFault::NoPeer));
        other.send_to(&[7; 10], local).expect("it is bound");
        assert_eq!(port.receive(&mut buffer).expect("it has come"), 10);
        // 3 × (10 + 28) = 114, which is 86 bytes and the headers.
        assert_eq!(port.check_answer(86), Ok(()));
        assert_eq!(port.check_answer(87), Err(AnswerFault::UsedUp));
        port.answer(&[1; 50]).expect("room in a socket");
        assert_eq!(port.check_answer(8), Ok(()));
        assert_eq!(port.check_answer(9), Err(AnswerFault::UsedUp));
        // A second datagram does not add to the allowance.
        for _ in 0..3 {
            other.send_to(&[7; 10], local).expect("it is bound");
            port.receive(&mut buffer).expect("it has come");
        }
        assert_eq!(port.check_answer(86), Ok(()));
        assert_eq!(port.check_answer(87), Err(AnswerFault::UsedUp));
        granted.send_to(&[], local).expect("it is bound");
        assert_eq!(port.receive(&mut buffer).expect("it has come"), 0);
        assert_eq!(port.check_answer(60_000), Ok(()));
        assert!(port.receive(&mut buffer).is_err() && !port.holds_input());
    }
}
