//! Binding of TCP and UDP sockets.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::net::listener::error::BindFault;

/// Binds a socket of this type exclusively. Returns it with its real address.
pub(super) fn bind(kind: Type, address: SocketAddr) -> Result<(Socket, SocketAddr), BindFault> {
    let socket = bind_one(kind, address, false)?;
    let served = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, served))
}

/// Makes one socket for each reactor: `first`, which is bound to `address`, and more that share its port.
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

/// Adds sockets to `sockets`, which are bound to `address` with SO_REUSEPORT, until each reactor has one.
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

/// Adds sockets to those that another process has handed over, until each reactor has one.
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
        // Connections in TIME_WAIT do not block the address. Not for UDP: there it would let others share the port.
        socket.set_reuse_address(true)?;
    }
    if address.is_ipv6() {
        // IPv4 on the same port needs a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
