//! Listeners that a plugin opens and closes itself.
//!
//! What may be listened at is in `allow.listen`. A listener is its instance's and ends with it. Under
//! `isolation = "plugin"` the connections that it accepts are this instance's, under `isolation = "connection"` each has a
//! sandbox of its own: so they are made by a handler of the plugin's, which is named, and not by a closure.

use std::fmt;

use crate::bindings::sandloop::plugin::listeners as host;

#[doc(inline)]
pub use crate::bindings::sandloop::plugin::listeners::{ListenAddress, ListenError};
use crate::types::Endpoint;

/// A listener of this instance. It lives until it is [stopped](Self::stop) or the instance ends, whatever becomes of this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    id: u32,
    address: ListenAddress,
}

impl Server {
    /// Where it listens: port 0 has become the real one. EventMachine's `get_sockname` of a listener.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The port, of TCP and UDP.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.address {
            ListenAddress::Tcp(endpoint) | ListenAddress::Udp(endpoint) => Some(endpoint.port),
            ListenAddress::Unix(_) => None,
        }
    }

    /// Closes it when this callback has returned; accepted connections stay. A second call does nothing.
    pub fn stop(&self) {
        host::stop_server(self.id);
    }
}

/// Listens at a TCP port from now on. `host` is an IP address, port 0 one of the system's choice; `handler` is a name of the
/// plugin's `handlers`, or empty for its only one.
///
/// # Errors
/// See [`ListenError`].
pub fn start_server(
    host: impl Into<String>,
    port: u16,
    handler: &str,
) -> Result<Server, ListenError> {
    start_server_with(&ListenAddress::Tcp(Endpoint { host: host.into(), port }), handler, &[])
}

/// As [`start_server`], at the path of a Unix stream socket.
///
/// # Errors
/// See [`ListenError`].
pub fn start_unix_domain_server(
    path: impl Into<String>,
    handler: &str,
) -> Result<Server, ListenError> {
    start_server_with(&ListenAddress::Unix(path.into()), handler, &[])
}

/// As [`start_server`], at an address of any kind; each connection is given `options`, as EventMachine's arguments.
///
/// # Errors
/// See [`ListenError`].
pub fn start_server_with(
    address: &ListenAddress,
    handler: &str,
    options: &[(&str, &str)],
) -> Result<Server, ListenError> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let options: Vec<(String, String)> = options.iter().map(owned).collect();
    let host::Listener { id, address } = host::start_server(address, handler, &options)?;
    Ok(Server { id, address })
}

/// As [`Server::stop`].
pub fn stop_server(server: &Server) {
    server.stop();
}

/// As `plugins.toml` writes them.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, Endpoint { host, port }) = match self {
            ListenAddress::Unix(path) => return write!(f, "unix://{path}"),
            ListenAddress::Tcp(endpoint) => ("tcp", endpoint),
            ListenAddress::Udp(endpoint) => ("udp", endpoint),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}
