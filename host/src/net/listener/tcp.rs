//! TCP sockets of a listener.

use std::net::SocketAddr;

use socket2::{Socket, Type};

use crate::net::listener::error::BindFault;
use crate::net::listener::ip;

/// Binds a socket. Returns it with its real address.
pub(super) fn bind(address: SocketAddr) -> Result<(Socket, SocketAddr), BindFault> {
    ip::bind(Type::STREAM, address)
}

/// Listens with `first`, which is bound to `address`, and with one more socket for each further reactor.
pub(super) fn listen(
    first: Socket,
    address: SocketAddr,
    reactors: usize,
    backlog: i32,
) -> Result<Vec<Socket>, BindFault> {
    // SO_REUSEPORT would hide that another process has the port. Of two exclusive sockets only one can listen, so the
    // first socket becomes shareable only after it listens.
    first.listen(backlog)?;
    let sockets = ip::share(Type::STREAM, first, address, reactors)?;
    for socket in sockets.iter().skip(1) {
        socket.listen(backlog)?;
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two hosts that start at once, each between its bind and its last listen.
    #[test]
    fn one_process_has_a_port_however_many_reactors_share_it() {
        for (reactors, of_others) in [(1, 1), (1, 3), (3, 1), (3, 3)] {
            let any = "127.0.0.1:0".parse().expect("an address");
            let (first, served) = bind(any).expect("a free port");
            // Neither listens yet, so the system lets both bind.
            let (other, _) = bind(served).expect("nobody listens");
            let sockets = listen(first, served, reactors, 8).expect("it is the first");
            assert_eq!(sockets.len(), reactors);
            let late = listen(other, served, of_others, 8).expect_err("it is taken");
            assert!(matches!(late, BindFault::InUse), "{late:?}");
            let later = bind(served).expect_err("it is taken");
            assert!(matches!(later, BindFault::InUse), "{later:?}");
        }
    }

    /// The system distributes connections over all of them.
    #[test]
    fn every_reactor_gets_connections() {
        let (first, served) = bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let sockets = listen(first, served, 2, 64).expect("it is the first");
        let peers: Vec<_> =
            (0..64).map(|_| std::net::TcpStream::connect(served).expect("it listens")).collect();
        for socket in &sockets {
            socket.set_nonblocking(true).expect("a socket");
            socket.accept().expect("one of so many comes here");
        }
        drop(peers);
    }
}
