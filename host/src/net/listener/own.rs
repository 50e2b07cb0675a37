//! Listeners and UDP sockets that plugins open: bound during the call, with the default settings of a `[[listen]]`
//! section.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mio::net::UnixListener;

use crate::config::address::ListenAddress;
use crate::config::limits;
use crate::config::listen_rule::ListenPlace;
use crate::config::model::AtCapacity;
use crate::config::socket_access::SocketAccess;
use crate::contract::bindings::Accepted;
use crate::net::datagram::DatagramSocket;
use crate::net::listener::error::BindFault;
use crate::net::listener::tcp::TcpListenSocket;
use crate::net::listener::{Endpoint, ListenSocket, Listener, tcp, udp, unix};
use crate::net::network::Network;

/// Listens at `place` for the plugin with this index. Its connections get this handler and these options.
pub(crate) fn open(
    network: &Network,
    place: &ListenPlace,
    plugin: usize,
    handler: String,
    options: Vec<(String, String)>,
) -> Result<Listener, BindFault> {
    let backlog = i32::try_from(limits::BACKLOG.default).unwrap_or(i32::MAX);
    let (socket, address, path) = match (place, network) {
        (ListenPlace::Tcp(address), Network::Scripted(network)) => {
            let (listener, address) = network.listen(&ListenAddress::Tcp(*address))?;
            (ListenSocket::StandIn(listener), address, None)
        }
        (ListenPlace::Unix(path), Network::Scripted(network)) => {
            let (listener, address) = network.listen(&ListenAddress::Unix(PathBuf::from(path)))?;
            (ListenSocket::StandIn(listener), address, None)
        }
        (ListenPlace::Tcp(address), Network::System) => {
            let (socket, address) = tcp::bind(*address)?;
            socket.listen(backlog)?;
            let socket = ListenSocket::Tcp(TcpListenSocket::new(socket));
            (socket, ListenAddress::Tcp(address), None)
        }
        (ListenPlace::Udp(address), _) => {
            let (socket, address) = bind_datagrams(network, *address)?;
            (ListenSocket::Udp(socket), ListenAddress::Udp(address), None)
        }
        (ListenPlace::Unix(path), Network::System) => {
            let (socket, owned) = unix::bind(Path::new(path), &SocketAccess::default())?;
            socket.listen(backlog)?;
            let socket = UnixListener::from_std(StdUnixListener::from(socket));
            (
                ListenSocket::Unix(socket),
                ListenAddress::Unix(PathBuf::from(path)),
                Some(Arc::new(owned)),
            )
        }
    };
    let endpoint = Endpoint {
        backlog,
        accepted: Arc::new(Accepted { listener: address.to_string(), handler, options }),
        address,
        plugin,
        at_capacity: AtCapacity::Wait,
        peer_idle: Duration::from_micros(limits::PEER_IDLE.default),
        peer_queue: u32::try_from(limits::PEER_QUEUE.default).unwrap_or(u32::MAX),
        tls: None,
        proxy_protocol: None,
        path,
        to_hand_over: OnceLock::new(),
    };
    Ok(Listener { endpoint: Arc::new(endpoint), socket })
}

/// Binds a UDP socket to `address`. Returns it with its real address.
pub(crate) fn bind_datagrams(
    network: &Network,
    address: SocketAddr,
) -> Result<(DatagramSocket, SocketAddr), BindFault> {
    if let Network::Scripted(network) = network {
        return Ok(network.bind(address)?);
    }
    let (socket, address) = udp::bind(address)?;
    // As EventMachine does; `allow.connect` decides where it may send, broadcast addresses included.
    socket.set_broadcast(true)?;
    Ok((DatagramSocket::new(socket.into()), address))
}
