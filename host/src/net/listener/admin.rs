//! The socket of the admin listener, which has its own thread instead of a reactor.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::unix::net::UnixListener as StdUnixListener;

use socket2::Socket;

use crate::config::address::ListenAddress;
use crate::config::admin::AdminConfig;
use crate::config::model::Config;
use crate::net::listener::error::{BindError, BindFault};
use crate::net::listener::tcp;
use crate::net::listener::unix::{self, OwnedPath};

/// A socket for `[admin]` that is bound and does not listen yet.
#[derive(Debug)]
pub(crate) struct BoundAdmin {
    /// The bound address: a port 0 has been replaced by the real one.
    pub address: ListenAddress,
    socket: Socket,
    path: Option<OwnedPath>,
}

/// A socket for `[admin]` that listens. Dropping it removes its path.
#[derive(Debug)]
pub(crate) struct AdminListener {
    /// The bound address: a port 0 has been replaced by the real one.
    pub address: ListenAddress,
    pub socket: AdminSocket,
    _path: Option<OwnedPath>,
}

/// A non-blocking socket that listens.
#[derive(Debug)]
pub(crate) enum AdminSocket {
    /// At a path.
    Unix(StdUnixListener),
    /// At an IP address and port.
    Tcp(StdTcpListener),
}

/// The accept backlog of the system.
const BACKLOG: i32 = 128;

/// Binds the address of `[admin]`.
///
/// # Errors
/// When the system refuses.
pub(crate) fn bind(config: &Config, admin: &AdminConfig) -> Result<BoundAdmin, BindError> {
    let error = |fault| BindError::of_admin(config, admin, fault);
    let (socket, address, path) = match &admin.address {
        ListenAddress::Unix(path) => {
            let (socket, owned) = unix::bind(path, &admin.access).map_err(error)?;
            (socket, admin.address.clone(), Some(owned))
        }
        ListenAddress::Tcp(address) => {
            let (socket, address) = tcp::bind(*address).map_err(error)?;
            (socket, ListenAddress::Tcp(address), None)
        }
        // The configuration allows no other kind here.
        _ => return Err(error(io::Error::from(io::ErrorKind::Unsupported).into())),
    };
    Ok(BoundAdmin { address, socket, path })
}

impl BoundAdmin {
    /// Begins to listen.
    ///
    /// # Errors
    /// When another process listens at the address.
    pub(crate) fn listen(
        self,
        config: &Config,
        admin: &AdminConfig,
    ) -> Result<AdminListener, BindError> {
        let BoundAdmin { address, socket, path } = self;
        let error = |fault: BindFault| BindError::of_admin(config, admin, fault);
        socket.listen(BACKLOG).map_err(|fault| error(fault.into()))?;
        socket.set_nonblocking(true).map_err(|fault| error(fault.into()))?;
        let socket = match &address {
            ListenAddress::Unix(_) => AdminSocket::Unix(socket.into()),
            _ => AdminSocket::Tcp(socket.into()),
        };
        Ok(AdminListener { address, socket, _path: path })
    }
}
