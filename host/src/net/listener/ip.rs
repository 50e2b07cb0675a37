//! What TCP and UDP sockets of a listener have in common.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::net::listener::error::BindFault;

/// A socket of this type at `address`, and where it really is. It shares its port with nobody.
pub(super) fn bind(kind: Type, address: SocketAddr) -> Result<(Socket, SocketAddr), BindFault> {
    let socket = bind_one(kind, address, false)?;
    let served = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, served))
}

/// `first`, which is at `address`, and one more socket there for each further reactor.
pub(super) fn share(
    kind: Type,
    first: Socket,
    address: SocketAddr,
    reactors: usize,
) -> Result<Vec<Socket>, BindFault> {
    if 1 < reactors {
        first.set_reuse_port(true)?;
    }
    share_more(kind, vec![first], address, reactors)
}

/// These, which are at `address` and let others be there, and one more socket for each reactor that has none.
pub(super) fn share_more(
    kind: Type,
    mut sockets: Vec<Socket>,
    address: SocketAddr,
    reactors: usize,
) -> Result<Vec<Socket>, BindFault> {
    while sockets.len() < reactors {
        sockets.push(bind_one(kind, address, true)?);
    }
    Ok(sockets)
}

/// Those that another process has handed over, and one more for each reactor that has none.
pub(super) fn share_handed_over(
    kind: Type,
    sockets: Vec<Socket>,
    address: SocketAddr,
    reactors: usize,
    backlog: i32,
) -> Result<Vec<Socket>, BindFault> {
    let handed_over = sockets.len();
    if handed_over < reactors {
        sockets.iter().try_for_each(|socket| socket.set_reuse_port(true))?;
    }
    let sockets = share_more(kind, sockets, address, reactors)?;
    if kind == Type::STREAM {
        sockets.iter().skip(handed_over).try_for_each(|socket| socket.listen(backlog))?;
    }
    Ok(sockets)
}

fn bind_one(kind: Type, address: SocketAddr, share: bool) -> Result<Socket, BindFault> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    socket.set_nonblocking(true)?;
    if kind == Type::STREAM {
        // What is left of connections that have ended does not keep the address; a UDP address would be shared.
        socket.set_reuse_address(true)?;
    }
    if address.is_ipv6() {
        // An IPv4 listener on the same port is a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
