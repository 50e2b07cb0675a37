//! Listeners: bound before anything runs, accepted from by one reactor each.

pub(crate) mod admin;
pub(crate) mod error;
pub(crate) mod handed;
pub mod inherited;
mod ip;
pub(crate) mod own;
pub(crate) mod passing;
pub(crate) mod scripted;
mod tcp;
pub(crate) mod tls;
mod udp;
mod unix;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Socket, Type};

use crate::config::address::ListenAddress;
use crate::config::model::{AtCapacity, Config, ListenConfig};
use crate::config::proxy_protocol::ProxyProtocol;
use crate::contract::bindings::Accepted;
use crate::net::connection::stream::Stream;
use crate::net::datagram::DatagramSocket;
use crate::net::listener::error::{BindError, BindFault};
use crate::net::listener::handed::{HandedSockets, Heirloom};
use crate::net::listener::tls::TlsServer;
use crate::net::listener::unix::{FolderLock, OwnedPath};
use crate::net::stand_in::StandInListener;

/// How long another start may hold the folder of a path.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// What all reactors share of one `[[listen]]` section.
#[derive(Debug)]
pub struct Endpoint {
    /// Its address as it is served: a port 0 has become the real one.
    pub address: ListenAddress,
    /// The plugin that serves it.
    pub plugin: usize,
    /// Where its connections come from, as the plugin is told.
    pub accepted: Accepted,
    /// What becomes of connections that the plugin cannot take.
    pub at_capacity: AtCapacity,
    /// Of a UDP socket: how long a peer may be silent.
    pub peer_idle: Duration,
    /// Of a UDP socket: how many datagrams of one peer wait for its handler.
    pub peer_queue: u32,
    /// What sessions are made from, if its connections have TLS.
    pub tls: Option<Arc<TlsServer>>,
    /// Whose headers of the PROXY protocol it takes, if connections begin with one, and how long one may be.
    pub proxy_protocol: Option<(ProxyProtocol, usize)>,
    /// Removes the path of a Unix socket when the last reactor is done with it.
    path: Option<Arc<OwnedPath>>,
    /// What the next process gets of it, whichever section has it now. None where nobody is to take over.
    to_hand_over: OnceLock<Arc<Heirloom>>,
}

/// One reactor's socket for an [`Endpoint`].
#[derive(Debug)]
pub struct Listener {
    /// What it serves.
    pub endpoint: Arc<Endpoint>,
    socket: ListenSocket,
}

#[derive(Debug)]
enum ListenSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
    Udp(DatagramSocket),
    StandIn(StandInListener),
}

/// Looks whether the path of a Unix socket still leads to it.
#[derive(Debug)]
pub struct PathWatch {
    address: String,
    path: Weak<OwnedPath>,
    told: bool,
}

/// While it lives no other host takes a path in the same folders.
#[derive(Debug)]
#[must_use = "another start may take the paths when it is gone"]
pub struct PathLocks {
    _folders: Vec<FolderLock>,
}

/// A socket for one section, bound and not yet listening: connecting to it is refused until
/// [`BoundListener::listen`].
#[derive(Debug)]
pub struct BoundListener {
    endpoint: Arc<Endpoint>,
    /// One, or those of all reactors of the process that has handed them over.
    sockets: Vec<Socket>,
    is_handed_over: bool,
    backlog: i32,
}

/// Binds the section at this place of the configuration, for the plugin at the place `plugin`.
pub fn bind(config: &Config, place: usize, plugin: usize) -> Result<BoundListener, BindError> {
    bind_or_take(config, place, plugin, &mut HandedSockets::default())
}

/// As [`bind`], unless the process before has handed over what is served there.
pub fn bind_or_take(
    config: &Config,
    place: usize,
    plugin: usize,
    handed_over: &mut HandedSockets,
) -> Result<BoundListener, BindError> {
    let section = &config.listeners[place];
    let error = |fault| BindError::new(config, place, fault);
    let sockets = handed_over.take(&handed::served_as(config, place));
    let is_handed_over = !sockets.is_empty();
    let (sockets, address, path) = if is_handed_over {
        let (address, path) = taken(&sockets, &section.address).map_err(error)?;
        (sockets, address, path)
    } else {
        let (socket, address, path) = bind_new(config, place)?;
        (vec![socket], address, path)
    };
    let tls = section.tls.clone().map(TlsServer::new).map(Arc::new);
    let endpoint =
        Endpoint::new(section, plugin, address, tls, path.map(Arc::new)).map_err(error)?;
    let backlog = i32::try_from(section.limits.backlog).unwrap_or(i32::MAX);
    Ok(BoundListener { endpoint: Arc::new(endpoint), sockets, is_handed_over, backlog })
}

/// A socket of this process's own for the section at this place, where it really is, and the path to remove.
fn bind_new(
    config: &Config,
    place: usize,
) -> Result<(Socket, ListenAddress, Option<OwnedPath>), BindError> {
    let section = &config.listeners[place];
    let error = |fault| BindError::new(config, place, fault);
    Ok(match &section.address {
        ListenAddress::Tcp(address) => {
            let (socket, address) = tcp::bind(*address).map_err(error)?;
            (socket, ListenAddress::Tcp(address), None)
        }
        ListenAddress::Tls(address) => {
            let (socket, address) = tcp::bind(*address).map_err(error)?;
            (socket, ListenAddress::Tls(address), None)
        }
        ListenAddress::Udp(address) => {
            let (socket, address) = udp::bind(*address).map_err(error)?;
            (socket, ListenAddress::Udp(address), None)
        }
        ListenAddress::Inherited(name) => {
            let (socket, address) = inherited::find(name).map_err(error)?;
            (socket, address, None)
        }
        ListenAddress::Unix(path) => {
            let (socket, owned) = unix::bind(path, &section.access).map_err(error)?;
            (socket, section.address.clone(), Some(owned))
        }
    })
}

/// Where sockets really are that were handed over, and the path that is to be removed with them.
fn taken(
    sockets: &[Socket],
    address: &ListenAddress,
) -> Result<(ListenAddress, Option<OwnedPath>), BindFault> {
    let at = || sockets.first().and_then(|socket| socket.local_addr().ok()?.as_socket());
    Ok(match address {
        ListenAddress::Tcp(address) => (ListenAddress::Tcp(at().unwrap_or(*address)), None),
        ListenAddress::Tls(address) => (ListenAddress::Tls(at().unwrap_or(*address)), None),
        ListenAddress::Udp(address) => (ListenAddress::Udp(at().unwrap_or(*address)), None),
        ListenAddress::Unix(path) => {
            (ListenAddress::Unix(path.clone()), Some(OwnedPath::take_over(path)?))
        }
        ListenAddress::Inherited(_) => (inherited::address_of(sockets)?, None),
    })
}

impl Endpoint {
    fn new(
        section: &ListenConfig,
        plugin: usize,
        address: ListenAddress,
        tls: Option<Arc<TlsServer>>,
        path: Option<Arc<OwnedPath>>,
    ) -> Result<Endpoint, BindFault> {
        let header_max = usize::try_from(section.limits.proxy_header).unwrap_or(usize::MAX);
        let proxy_protocol = section.proxy_protocol.clone().map(|proxies| (proxies, header_max));
        if proxy_protocol.is_some() && matches!(address, ListenAddress::Udp(_)) {
            return Err(BindFault::NoStream);
        }
        let accepted = Accepted {
            listener: address.to_string(),
            handler: section.handler.clone().unwrap_or_default(),
            options: section.options.clone(),
        };
        Ok(Endpoint {
            address,
            plugin,
            accepted,
            at_capacity: section.at_capacity,
            peer_idle: section.limits.peer_idle,
            peer_queue: section.limits.peer_queue,
            tls,
            proxy_protocol,
            path,
            to_hand_over: OnceLock::new(),
        })
    }

    /// The same socket as another section has it, for the plugin at the place `plugin`. With the same certificates its sessions
    /// are resumed as before.
    ///
    /// # Errors
    /// When the socket is not one for such a section, or what its path is to be cannot be set.
    pub(crate) fn renewed(
        &self,
        section: &ListenConfig,
        plugin: usize,
    ) -> Result<Endpoint, BindFault> {
        let address = match (&self.address, &section.address) {
            (ListenAddress::Tls(at), ListenAddress::Tcp(_)) => ListenAddress::Tcp(*at),
            (ListenAddress::Tcp(at), ListenAddress::Tls(_)) => ListenAddress::Tls(*at),
            (at, _) => at.clone(),
        };
        let tls = section.tls.as_ref().map(|files| {
            let before = self.tls.as_ref().filter(|before| before.is_of(files));
            before.cloned().unwrap_or_else(|| Arc::new(TlsServer::new(files.clone())))
        });
        if let Some(path) = &self.path {
            path.give_away(&section.access)?;
        }
        let renewed = Endpoint::new(section, plugin, address, tls, self.path.clone())?;
        if let Some(heirloom) = self.to_hand_over.get() {
            // It is the only one who sets it.
            let _ = renewed.to_hand_over.set(heirloom.clone());
        }
        Ok(renewed)
    }
}

impl PathLocks {
    /// Waits until no other host is about to take a path in the folders of this configuration's Unix sockets. From
    /// before the first look at a path until after the last `listen`: two hosts that start at once must not both take
    /// what a dead one has left.
    ///
    /// # Errors
    /// When another process holds one of them for long.
    pub fn take(config: &Config) -> Result<PathLocks, BindError> {
        let listeners = config.listeners.iter().enumerate();
        let listeners = listeners.map(|(place, section)| (Some(place), &section.address));
        let admin = config.admin.iter().map(|admin| (None, &admin.address));
        let mut folders: Vec<(Option<usize>, FolderLock)> = Vec::new();
        for (place, address) in listeners.chain(admin) {
            let ListenAddress::Unix(path) = address else { continue };
            folders.extend(FolderLock::find(path).map(|folder| (place, folder)));
        }
        // In one order for every host, and each once: otherwise they could wait for each other.
        folders.sort_by_key(|(_, folder)| folder.identity());
        folders.dedup_by_key(|(_, folder)| folder.identity());
        let error = |place: Option<usize>, fault| match (place, &config.admin) {
            (None, Some(admin)) => BindError::of_admin(config, admin, fault),
            (place, _) => BindError::new(config, place.unwrap_or(0), fault),
        };
        for (place, folder) in &folders {
            folder.take(LOCK_WAIT).map_err(|fault| error(*place, fault))?;
        }
        Ok(PathLocks { _folders: folders.into_iter().map(|(_, folder)| folder).collect() })
    }
}

impl PathWatch {
    /// For a listener; none where it is no Unix socket.
    pub fn of(listener: &Listener) -> Option<PathWatch> {
        let endpoint = &listener.endpoint;
        let path = Arc::downgrade(endpoint.path.as_ref()?);
        Some(PathWatch { address: endpoint.accepted.listener.clone(), path, told: false })
    }

    /// Whether the socket is served still.
    pub fn is_served(&self) -> bool {
        0 < self.path.strong_count()
    }

    /// Tells the operator, once, when nobody new comes to the socket.
    pub fn look(&mut self) {
        let Some(path) = self.path.upgrade() else { return };
        if path.is_ours() {
            self.told = false;
        } else if !std::mem::replace(&mut self.told, true) {
            tracing::error!(
                address = self.address,
                "the path does not lead to this listener any more: nobody new can reach it until the host is started again"
            );
        }
    }
}

impl BoundListener {
    /// Begins to listen: one [`Listener`] for each reactor. `place` is the section's.
    pub fn listen(self, config: &Config, place: usize) -> Result<Vec<Listener>, BindError> {
        let BoundListener { endpoint, mut sockets, is_handed_over, backlog } = self;
        let is_inherited = matches!(config.listeners[place].address, ListenAddress::Inherited(_));
        let reactors = config.host.limits.reactors;
        let tcp = |socket: Socket| ListenSocket::Tcp(TcpListener::from_std(socket.into()));
        let udp = |socket: Socket| ListenSocket::Udp(DatagramSocket::new(socket.into()));
        let unix = |socket: Socket| {
            ListenSocket::Unix(UnixListener::from_std(StdUnixListener::from(socket)))
        };
        let address = match endpoint.address {
            ListenAddress::Tcp(address) | ListenAddress::Tls(address) => {
                Some((Type::STREAM, address))
            }
            ListenAddress::Udp(address) => Some((Type::DGRAM, address)),
            ListenAddress::Unix(_) | ListenAddress::Inherited(_) => None,
        };
        let sockets =
            if let Some((kind, address)) = address.filter(|_| is_handed_over && !is_inherited) {
                ip::share_handed_over(kind, sockets, address, reactors, backlog)
            } else if is_handed_over && reactors <= sockets.len() {
                Ok(sockets)
            } else if let Some(socket) = sockets.pop() {
                let address = &endpoint.address;
                share_new(socket, address, is_handed_over || is_inherited, reactors, backlog)
            } else {
                Ok(sockets)
            };
        let sockets = sockets.map_err(|fault| BindError::new(config, place, fault))?;
        if config.host.handover.is_some() {
            let (served_as, path) = (handed::served_as(config, place), endpoint.path.as_ref());
            let heirloom = Heirloom::of(served_as, path, sockets.iter().map(AsFd::as_fd));
            let heirloom = heirloom.map_err(|error| BindError::new(config, place, error.into()))?;
            // It is the only one who sets it.
            let _ = endpoint.to_hand_over.set(heirloom);
        }
        let listener = |socket| {
            let socket = match endpoint.address {
                ListenAddress::Tcp(_) | ListenAddress::Tls(_) => tcp(socket),
                ListenAddress::Udp(_) => udp(socket),
                ListenAddress::Unix(_) | ListenAddress::Inherited(_) => unix(socket),
            };
            Listener { endpoint: endpoint.clone(), socket }
        };
        Ok(sockets.into_iter().map(listener).collect())
    }
}

/// A socket that is bound, or listens already, for each reactor.
fn share_new(
    socket: Socket,
    address: &ListenAddress,
    listens: bool,
    reactors: usize,
    backlog: i32,
) -> Result<Vec<Socket>, BindFault> {
    match *address {
        // One reactor has it: copies of one socket would share out the datagrams of one peer.
        ListenAddress::Udp(_) if listens => Ok(vec![socket]),
        _ if listens => unix::share(socket, reactors),
        ListenAddress::Tcp(address) | ListenAddress::Tls(address) => {
            tcp::listen(socket, address, reactors, backlog)
        }
        ListenAddress::Udp(address) => udp::share(socket, address, reactors),
        ListenAddress::Unix(_) | ListenAddress::Inherited(_) => {
            unix::listen(socket, reactors, backlog)
        }
    }
}

impl Endpoint {
    /// Its listeners are closed: what is left of it does not keep its sockets.
    pub fn close_copies(&self) {
        self.to_hand_over.get().into_iter().for_each(|heirloom| heirloom.close());
    }
}

impl Listener {
    /// The next connection that waits.
    pub fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            ListenSocket::Tcp(socket) => {
                let (stream, _) = socket.accept()?;
                // As EventMachine has it: an answer does not wait for the next one.
                stream.set_nodelay(true)?;
                let stream = Stream::Tcp(stream);
                match &self.endpoint.tls {
                    None => Ok(stream),
                    Some(tls) => tls.session(stream),
                }
            }
            ListenSocket::Unix(socket) => socket.accept().map(|(stream, _)| Stream::Unix(stream)),
            ListenSocket::StandIn(socket) => {
                socket.accept().map(|stand_in| Stream::StandIn(Box::new(stand_in)))
            }
            // Its peers come with their datagrams.
            ListenSocket::Udp(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Its socket, if datagrams come there.
    pub fn datagrams(&self) -> Option<&DatagramSocket> {
        match &self.socket {
            ListenSocket::Udp(socket) => Some(socket),
            ListenSocket::Tcp(_) | ListenSocket::Unix(_) | ListenSocket::StandIn(_) => None,
        }
    }
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.register(registry, token, what),
            ListenSocket::Unix(socket) => socket.register(registry, token, what),
            ListenSocket::Udp(socket) => socket.register(registry, token, what),
            ListenSocket::StandIn(socket) => socket.bell_mut().register(registry, token, what),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.reregister(registry, token, what),
            ListenSocket::Unix(socket) => socket.reregister(registry, token, what),
            ListenSocket::Udp(socket) => socket.reregister(registry, token, what),
            ListenSocket::StandIn(socket) => socket.bell_mut().reregister(registry, token, what),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.deregister(registry),
            ListenSocket::Unix(socket) => socket.deregister(registry),
            ListenSocket::Udp(socket) => socket.deregister(registry),
            ListenSocket::StandIn(socket) => socket.bell_mut().deregister(registry),
        }
    }
}
