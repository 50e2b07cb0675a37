//! Listeners: bound before anything runs, accepted from by one reactor each.

use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::address::ListenAddress;
use crate::config::model::{AtCapacity, Config};
use crate::contract::bindings::Accepted;
use crate::net::connection::stream::Stream;

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
    /// Removes the path of a Unix socket when the last reactor is done with it.
    _path: Option<OwnedPath>,
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
}

/// An address that cannot be served. The message names the line of `plugins.toml` and the remedy.
#[derive(Debug)]
pub struct BindError {
    file: PathBuf,
    line: usize,
    place: usize,
    address: ListenAddress,
    fault: BindFault,
}

#[derive(Debug)]
enum BindFault {
    InUse,
    Forbidden,
    LiveServer,
    NotASocket,
    Other(io::Error),
}

/// The path of a Unix socket that this process made.
#[derive(Debug)]
struct OwnedPath {
    path: PathBuf,
    inode: u64,
}

/// Sockets for one section, bound and not yet listening: connecting to them is refused until
/// [`BoundListener::listen`].
#[derive(Debug)]
pub struct BoundListener {
    endpoint: Arc<Endpoint>,
    sockets: Vec<Socket>,
    backlog: i32,
}

/// Binds the section at this place of the configuration for every reactor.
pub fn bind(config: &Config, place: usize) -> Result<BoundListener, BindError> {
    let section = &config.listeners[place];
    let reactors = config.host.reactors;
    let error = |fault| BindError::new(config, place, fault);
    let (sockets, address, path) = match &section.address {
        ListenAddress::Tcp(address) => {
            let (sockets, address) = bind_tcp(*address, reactors).map_err(|e| error(e.into()))?;
            (sockets, ListenAddress::Tcp(address), None)
        }
        ListenAddress::Unix(path) => {
            let (sockets, owned) = bind_unix(path, reactors).map_err(error)?;
            (sockets, section.address.clone(), Some(owned))
        }
    };
    let accepted = Accepted {
        listener: address.to_string(),
        handler: section.handler.clone().unwrap_or_default(),
        options: section.options.clone(),
    };
    let (plugin, at_capacity) = (section.plugin, section.at_capacity);
    let endpoint = Endpoint { address, plugin, accepted, at_capacity, _path: path };
    let backlog = i32::try_from(section.backlog).unwrap_or(i32::MAX);
    Ok(BoundListener { endpoint: Arc::new(endpoint), sockets, backlog })
}

fn bind_tcp(
    address: std::net::SocketAddr,
    reactors: usize,
) -> io::Result<(Vec<Socket>, std::net::SocketAddr)> {
    let bind = |address: std::net::SocketAddr, share: bool| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // An IPv4 listener on the same port is a listener of its own.
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_port(share)?;
        socket.bind(&address.into())?;
        Ok::<Socket, io::Error>(socket)
    };
    // Sharing a port hides that another process has it: the first attempt shares with nobody.
    let alone = bind(address, false)?;
    let served = alone.local_addr()?.as_socket().unwrap_or(address);
    if reactors == 1 {
        return Ok((vec![alone], served));
    }
    drop(alone);
    let sockets = (0..reactors).map(|_| bind(served, true)).collect::<io::Result<Vec<_>>>()?;
    Ok((sockets, served))
}

fn bind_unix(path: &Path, reactors: usize) -> Result<(Vec<Socket>, OwnedPath), BindFault> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let owned = OwnedPath::new(path)?;
    // One socket in several polls: whichever reactor is free accepts.
    let mut sockets = vec![socket];
    for _ in 1..reactors {
        let shared = sockets[0].try_clone()?;
        sockets.push(shared);
    }
    Ok((sockets, owned))
}

/// Removes a socket that its server has left behind; anything else at the path is left alone.
fn remove_stale(path: &Path) -> Result<(), BindFault> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(BindFault::NotASocket);
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(BindFault::from)
        }
        Ok(_) => Err(BindFault::LiveServer),
        Err(error) => Err(error.into()),
    }
}

impl OwnedPath {
    fn new(path: &Path) -> io::Result<OwnedPath> {
        use std::os::unix::fs::MetadataExt;
        let inode = std::fs::symlink_metadata(path)?.ino();
        Ok(OwnedPath { path: path.to_owned(), inode })
    }
}

impl Drop for OwnedPath {
    fn drop(&mut self) {
        use std::os::unix::fs::MetadataExt;
        // Somebody else may have put a socket of his own there meanwhile.
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "socket path not removed");
        }
    }
}

impl BoundListener {
    /// Begins to listen: one [`Listener`] for each reactor. `place` is the section's.
    pub fn listen(self, config: &Config, place: usize) -> Result<Vec<Listener>, BindError> {
        let BoundListener { endpoint, sockets, backlog } = self;
        let listen = |socket: Socket| {
            socket.listen(backlog)?;
            Ok(match endpoint.address {
                ListenAddress::Tcp(_) => ListenSocket::Tcp(TcpListener::from_std(socket.into())),
                ListenAddress::Unix(_) => {
                    ListenSocket::Unix(UnixListener::from_std(StdUnixListener::from(socket)))
                }
            })
        };
        let result: io::Result<Vec<ListenSocket>> = sockets.into_iter().map(listen).collect();
        let acceptors = result.map_err(|error| BindError::new(config, place, error.into()))?;
        let listener = |socket| Listener { endpoint: endpoint.clone(), socket };
        Ok(acceptors.into_iter().map(listener).collect())
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
                Ok(Stream::Tcp(stream))
            }
            ListenSocket::Unix(socket) => socket.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.register(registry, token, what),
            ListenSocket::Unix(socket) => socket.register(registry, token, what),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.reregister(registry, token, what),
            ListenSocket::Unix(socket) => socket.reregister(registry, token, what),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &mut self.socket {
            ListenSocket::Tcp(socket) => socket.deregister(registry),
            ListenSocket::Unix(socket) => socket.deregister(registry),
        }
    }
}

impl BindError {
    fn new(config: &Config, place: usize, fault: BindFault) -> BindError {
        let section = &config.listeners[place];
        let (file, address) = (config.file.clone(), section.address.clone());
        BindError { file, line: section.line, place: section.place, address, fault }
    }
}

impl From<io::Error> for BindFault {
    fn from(error: io::Error) -> BindFault {
        match error.kind() {
            io::ErrorKind::AddrInUse => BindFault::InUse,
            io::ErrorKind::PermissionDenied => BindFault::Forbidden,
            _ => BindFault::Other(error),
        }
    }
}

impl std::error::Error for BindError {}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { file, line, place, address, fault } = self;
        write!(f, "{}:{line}: listen[{place}].address: {address}: ", file.display())?;
        match fault {
            BindFault::InUse => {
                f.write_str("another process has this address; stop it or choose another port")
            }
            BindFault::Forbidden => f.write_str(
                "permission denied; choose a port from 1024 on, or a folder this user may write",
            ),
            BindFault::LiveServer => f.write_str(
                "a live server answers at this path; stop it or choose another path",
            ),
            BindFault::NotASocket => f.write_str(
                "something that is not a socket stands at this path; move it or choose another path",
            ),
            BindFault::Other(error) => write!(f, "{error}; choose an address of this machine"),
        }
    }
}
