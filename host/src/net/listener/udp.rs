//! UDP sockets of a listener.

use std::net::SocketAddr;

use socket2::{Socket, Type};

use crate::net::listener::error::BindFault;
use crate::net::listener::ip;

/// Binds a socket. Returns it with its real address.
pub(super) fn bind(address: SocketAddr) -> Result<(Socket, SocketAddr), BindFault> {
    ip::bind(Type::DGRAM, address)
}

/// Makes one socket for each reactor: `first`, which is bound to `address`, and more. The system delivers all datagrams of
/// one peer to the same socket.
pub(super) fn share(
    first: Socket,
    address: SocketAddr,
    reactors: usize,
) -> Result<Vec<Socket>, BindFault> {
    // Made shareable only now: before the bind that would hide that another process has the address.
    ip::share(Type::DGRAM, first, address, reactors)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn one_process_has_a_port_however_many_reactors_share_it() {
        for reactors in [1, 3] {
            let (first, served) =
                bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
            assert!(matches!(bind(served), Err(BindFault::InUse)));
            let sockets = share(first, served, reactors).expect("it is the first");
            assert_eq!(sockets.len(), reactors);
            assert!(matches!(bind(served), Err(BindFault::InUse)));
        }
    }

    #[test]
    fn every_reactor_gets_peers_and_each_peer_has_one() {
        let (first, served) = bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let sockets = share(first, served, 2).expect("it is the first");
        let sockets: Vec<UdpSocket> = sockets.into_iter().map(UdpSocket::from).collect();
        let peers: Vec<UdpSocket> =
            (0..64).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
        for _ in 0..3 {
            peers.iter().for_each(|peer| {
                peer.send_to(b"x", served).expect("it is bound");
            });
        }
        let of = |socket: &UdpSocket| {
            let mut buffer = [0; 8];
            let all: Vec<SocketAddr> =
                std::iter::from_fn(|| socket.recv_from(&mut buffer).ok().map(|it| it.1)).collect();
            all
        };
        let (one, other) = (of(&sockets[0]), of(&sockets[1]));
        assert!(!one.is_empty() && !other.is_empty());
        assert_eq!(one.len() + other.len(), 3 * 64);
        assert!(one.iter().all(|peer| !other.contains(peer)));
    }
}
