//! Listeners. They are bound before anything runs; each is one reactor's.

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
use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use socket2::{SockRef, Socket, Type};

use crate::config::address::ListenAddress;
use crate::config::model::{AtCapacity, Config, ListenConfig};
use crate::config::proxy_protocol::ProxyProtocol;
use crate::contract::bindings::Accepted;
use crate::net::connection::stream::Stream;
use crate::net::datagram::DatagramSocket;
use crate::net::listener::error::{BindError, BindFault};
use crate::net::listener::handed::{HandedSockets, HandoverSockets};
use crate::net::listener::tcp::TcpListenSocket;
use crate::net::listener::tls::TlsServer;
use crate::net::listener::unix::{FolderLock, OwnedPath};
use crate::net::stand_in::StandInListener;

/// How long to wait for the lock of a folder that another host holds while it starts.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// The part of a `[[listen]]` section that all reactors share.
#[derive(Debug)]
pub struct Endpoint {
    /// The bound address: a port 0 has been replaced by the real one.
    pub address: ListenAddress,
    /// The index of the plugin that serves it.
    pub plugin: usize,
    /// The origin of its connections, as the plugin is told.
    pub accepted: Arc<Accepted>,
    /// How connections are treated that the plugin cannot take.
    pub at_capacity: AtCapacity,
    /// The most connections that wait to be accepted.
    pub backlog: i32,
    /// For UDP: how long a peer may be silent.
    pub peer_idle: Duration,
    /// For UDP: the most datagrams of one peer that are queued for its handler.
    pub peer_queue: u32,
    /// The TLS configuration, for `tls://`.
    pub tls: Option<Arc<TlsServer>>,
    /// If connections begin with a PROXY protocol header: the proxies that are trusted, and the longest header.
    pub proxy_protocol: Option<(ProxyProtocol, usize)>,
    /// The path of a Unix socket, removed when the last reactor has closed it.
    path: Option<Arc<OwnedPath>>,
    /// The sockets for the next process, shared by all sections that have had the address. None if handover is not configured.
    to_hand_over: OnceLock<Arc<HandoverSockets>>,
}

/// One reactor's socket for an [`Endpoint`].
#[derive(Debug)]
pub struct Listener {
    /// The part that all reactors share.
    pub endpoint: Arc<Endpoint>,
    socket: ListenSocket,
}

#[derive(Debug)]
enum ListenSocket {
    Tcp(TcpListenSocket),
    Unix(UnixListener),
    Udp(DatagramSocket),
    StandIn(StandInListener),
}

/// Checks whether the path of a Unix socket still leads to it.
#[derive(Debug)]
pub struct PathWatch {
    address: String,
    path: Weak<OwnedPath>,
    told: bool,
}

/// Locks on the folders of Unix sockets: until they are dropped no other host binds a path there.
#[derive(Debug)]
#[must_use = "another start may take the paths when it is gone"]
pub struct PathLocks {
    _folders: Vec<FolderLock>,
}

/// A socket that is bound and does not listen yet: connecting to it is refused until
/// [`BoundListener::listen`].
#[derive(Debug)]
pub struct BoundListener {
    endpoint: Arc<Endpoint>,
    /// One socket, or those that the previous process has handed over, for all its reactors.
    sockets: Vec<Socket>,
    is_handed_over: bool,
}

/// Binds the section with the index `place` for the plugin with the index `plugin`.
pub fn bind(config: &Config, place: usize, plugin: usize) -> Result<BoundListener, BindError> {
    bind_or_take(config, place, plugin, &mut HandedSockets::default())
}

/// Like [`bind`], but takes the sockets that the previous process has handed over for this address, if there are any.
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
    Ok(BoundListener { endpoint: Arc::new(endpoint), sockets, is_handed_over })
}

/// Binds a new socket. Returns it, its real address, and the path to remove.
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

/// The real address of sockets that were handed over, and the path to remove with them.
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
        let accepted = Arc::new(Accepted {
            listener: address.to_string(),
            handler: section.handler.clone().unwrap_or_default(),
            options: section.options.clone(),
        });
        Ok(Endpoint {
            address,
            plugin,
            accepted,
            at_capacity: section.at_capacity,
            backlog: i32::try_from(section.limits.backlog).unwrap_or(i32::MAX),
            peer_idle: section.limits.peer_idle,
            peer_queue: section.limits.peer_queue,
            tls,
            proxy_protocol,
            path,
            to_hand_over: OnceLock::new(),
        })
    }

    /// The endpoint of the same socket for a section of a reloaded configuration. If the certificates are the same, TLS
    /// sessions can still be resumed.
    ///
    /// # Errors
    /// When the socket does not fit the section, or the mode and owner of its path cannot be set.
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
        if let Some(handed) = self.to_hand_over.get() {
            // Cannot fail: nothing else has set it.
            let _ = renewed.to_hand_over.set(handed.clone());
        }
        Ok(renewed)
    }
}

impl PathLocks {
    /// Locks the folders of this configuration's Unix sockets. The locks are held from before the first check of a
    /// path until after the last `listen`, so that two hosts that start at once do not both replace the stale socket of
    /// a dead one.
    ///
    /// # Errors
    /// When another process holds a lock for longer than `LOCK_WAIT`.
    pub fn take(config: &Config) -> Result<PathLocks, BindError> {
        let listeners = config.listeners.iter().enumerate();
        let listeners = listeners.map(|(place, section)| (Some(place), &section.address));
        let admin = config.admin.iter().map(|admin| (None, &admin.address));
        let mut folders: Vec<(Option<usize>, FolderLock)> = Vec::new();
        for (place, address) in listeners.chain(admin) {
            let ListenAddress::Unix(path) = address else { continue };
            folders.extend(FolderLock::find(path).map(|folder| (place, folder)));
        }
        // Every host locks in the same order and each folder once; otherwise two hosts could deadlock.
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
    /// A watch for a listener; none if it is no Unix socket.
    pub fn of(listener: &Listener) -> Option<PathWatch> {
        let endpoint = &listener.endpoint;
        let path = Arc::downgrade(endpoint.path.as_ref()?);
        Some(PathWatch { address: endpoint.accepted.listener.clone(), path, told: false })
    }

    /// Whether the socket is still served.
    pub fn is_served(&self) -> bool {
        0 < self.path.strong_count()
    }

    /// Logs once when the path leads elsewhere, so that no new connection can come.
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
    /// Begins to listen: one [`Listener`] for each reactor. `place` is the index of the section.
    pub fn listen(self, config: &Config, place: usize) -> Result<Vec<Listener>, BindError> {
        let BoundListener { endpoint, mut sockets, is_handed_over } = self;
        let backlog = endpoint.backlog;
        let is_inherited = matches!(config.listeners[place].address, ListenAddress::Inherited(_));
        let reactors = config.host.limits.reactors;
        let tcp = |socket: Socket| ListenSocket::Tcp(TcpListenSocket::new(socket));
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
            let handed = HandoverSockets::of(served_as, path, sockets.iter().map(AsFd::as_fd));
            let handed = handed.map_err(|error| BindError::new(config, place, error.into()))?;
            // Cannot fail: nothing else has set it.
            let _ = endpoint.to_hand_over.set(handed);
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

/// One socket for each reactor, from one that is bound or already listens.
fn share_new(
    socket: Socket,
    address: &ListenAddress,
    listens: bool,
    reactors: usize,
    backlog: i32,
) -> Result<Vec<Socket>, BindFault> {
    match *address {
        // Only one reactor gets it: copies of the socket would spread the datagrams of one peer over several reactors.
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
    /// Closes the copies of its sockets that are kept for the next process.
    pub fn close_copies(&self) {
        self.to_hand_over.get().into_iter().for_each(|handed| handed.close());
    }
}

impl Listener {
    /// Accepts the next connection; `WouldBlock` if none waits.
    pub fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            ListenSocket::Tcp(socket) => {
                let stream = Stream::Tcp(socket.accept()?);
                match &self.endpoint.tls {
                    None => Ok(stream),
                    Some(tls) => tls.session(stream),
                }
            }
            ListenSocket::Unix(socket) => socket.accept().map(|(stream, _)| Stream::Unix(stream)),
            ListenSocket::StandIn(socket) => {
                socket.accept().map(|stand_in| Stream::StandIn(Box::new(stand_in)))
            }
            // UDP peers are accepted with their first datagram.
            ListenSocket::Udp(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Serves this section from now on, with its backlog.
    ///
    /// # Errors
    /// When the system does not change the backlog.
    pub(crate) fn serve(&mut self, endpoint: Arc<Endpoint>) -> io::Result<()> {
        let before = std::mem::replace(&mut self.endpoint, endpoint);
        let backlog = self.endpoint.backlog;
        match &self.socket {
            _ if before.backlog == backlog => Ok(()),
            // A socket that listens already keeps its backlog's connections.
            ListenSocket::Tcp(socket) => socket.listen(backlog),
            ListenSocket::Unix(socket) => SockRef::from(socket).listen(backlog),
            ListenSocket::Udp(_) | ListenSocket::StandIn(_) => Ok(()),
        }
    }

    /// Its socket, if it is a UDP one.
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
            ListenSocket::Tcp(socket) => socket.source().register(registry, token, what),
            ListenSocket::Unix(socket) => socket.register(registry, token, what),
            ListenSocket::Udp(socket) => socket.register(registry, token, what),
            ListenSocket::StandIn(socket) => socket.bell_mut().register(registry, token, what),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.source().reregister(registry, token, what),
            ListenSocket::Unix(socket) => socket.reregister(registry, token, what),
            ListenSocket::Udp(socket) => socket.reregister(registry, token, what),
            ListenSocket::StandIn(socket) => socket.bell_mut().reregister(registry, token, what),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.source().deregister(registry),
            ListenSocket::Unix(socket) => socket.deregister(registry),
            ListenSocket::Udp(socket) => socket.deregister(registry),
            ListenSocket::StandIn(socket) => socket.bell_mut().deregister(registry),
        }
    }
}
