//! TCP sockets of a listener.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;

use mio::net::{TcpListener, TcpStream};
use socket2::{SockRef, Socket, Type};

use crate::net::listener::error::BindFault;
use crate::net::listener::ip;

/// A socket that listens, and whose connections have `TCP_NODELAY`: as in EventMachine, so that a small answer is not delayed.
#[derive(Debug)]
pub(super) struct TcpListenSocket {
    socket: TcpListener,
    /// Whether connections inherit the option, as on Linux, which saves a system call for each; unknown before the first one.
    is_inherited: OnceLock<bool>,
}

impl TcpListenSocket {
    /// Takes a socket that listens and does not block.
    pub(super) fn new(socket: Socket) -> TcpListenSocket {
        if let Err(error) = socket.set_tcp_nodelay(true) {
            // Then each connection has to be asked for it.
            tracing::debug!(%error, "a listener cannot have TCP_NODELAY");
        }
        TcpListenSocket {
            socket: TcpListener::from_std(socket.into()),
            is_inherited: OnceLock::new(),
        }
    }

    /// Accepts the next connection; `WouldBlock` if none waits.
    pub(super) fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.socket.accept()?;
        if !self.is_inherited.get_or_init(|| stream.nodelay().unwrap_or(false)) {
            stream.set_nodelay(true)?;
        }
        Ok(stream)
    }

    /// Changes its backlog.
    pub(super) fn listen(&self, backlog: i32) -> io::Result<()> {
        SockRef::from(&self.socket).listen(backlog)
    }

    /// Where it is registered with a poll.
    pub(super) fn source(&mut self) -> &mut TcpListener {
        &mut self.socket
    }
}

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

    /// Whether the system hands the option down or not.
    #[test]
    fn connections_have_the_option_and_those_that_take_it_over_too() {
        let (first, served) = bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let mut sockets = listen(first, served, 1, 64).expect("it is the first");
        let socket = TcpListenSocket::new(sockets.remove(0));
        let accept = || {
            let _peer = std::net::TcpStream::connect(served).expect("it listens");
            socket.accept().expect("one has come").nodelay().expect("a socket")
        };
        assert!(accept() && accept());
        let socket = TcpListenSocket { is_inherited: OnceLock::from(false), ..socket };
        SockRef::from(&socket.socket).set_tcp_nodelay(false).expect("a socket");
        let _peer = std::net::TcpStream::connect(served).expect("it listens");
        assert!(socket.accept().expect("one has come").nodelay().expect("a socket"));
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
