//! Outgoing connections: targets, access control, and attempts at each address.

pub(crate) mod access;
pub(crate) mod attempts;
pub(crate) mod own_listeners;

use std::net::{IpAddr, SocketAddr};
use std::{fmt, io};

use mio::net::{TcpStream, UnixStream};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::contract::bindings::Address;
use crate::net::connection::stream::Stream;

/// The target of an outgoing connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A host name or IP address, and a port.
    Tcp {
        /// The host as the plugin wrote it, without brackets.
        host: String,
        /// Never 0.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(String),
}

/// One address of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(String),
}

/// The longest host name of DNS.
const NAME_BYTES_MAX: usize = 253;
/// The brackets around an IPv6 address.
const BRACKETS: usize = 2;
/// The longest path of a Unix socket on Linux.
const PATH_BYTES_MAX: usize = 107;

impl TryFrom<Address> for Target {
    type Error = ();

    fn try_from(address: Address) -> Result<Target, ()> {
        match address {
            Address::Tcp(endpoint) => {
                let is_short = endpoint.host.len() <= NAME_BYTES_MAX + BRACKETS;
                let host = endpoint.host.trim_matches(['[', ']']);
                let sensible = is_short
                    && !host.is_empty()
                    && host.len() <= NAME_BYTES_MAX
                    && !host.contains(|c: char| c.is_control() || c.is_whitespace());
                if !sensible || endpoint.port == 0 {
                    return Err(());
                }
                Ok(Target::Tcp { host: host.to_owned(), port: endpoint.port })
            }
            Address::Unix(path) if path.is_empty() || PATH_BYTES_MAX < path.len() => Err(()),
            Address::Unix(path) if path.contains('\0') => Err(()),
            Address::Unix(path) => Ok(Target::Unix(path)),
        }
    }
}

impl Target {
    /// The address, if no name has to be resolved.
    pub fn immediate(&self) -> Option<Attempt> {
        match self {
            Target::Tcp { host, port } => {
                let ip: IpAddr = host.parse().ok()?;
                Some(Attempt::Tcp(SocketAddr::new(ip, *port)))
            }
            Target::Unix(path) => Some(Attempt::Unix(path.clone())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Target::Tcp { host, port } => write!(f, "{host}:{port}"),
            Target::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

impl Attempt {
    /// Begins to connect, from `local` if one is given. The result is known when the socket becomes writable.
    pub fn begin(&self, local: Option<SocketAddr>) -> io::Result<Stream> {
        match self {
            Attempt::Tcp(address) => {
                let stream = match local {
                    None => TcpStream::connect(*address)?,
                    Some(local) => connect_from(local, *address)?,
                };
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Attempt::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        }
    }
}

fn connect_from(local: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    if local.is_ipv4() != address.is_ipv4() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    let socket = Socket::new(Domain::for_address(local), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // An earlier connection in TIME_WAIT does not block the port.
    socket.set_reuse_address(true)?;
    socket.bind(&local.into())?;
    match socket.connect(&address.into()) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::bindings::Endpoint;

    fn check(host: &str, port: u16, expected: Result<&str, ()>) {
        let address = Address::Tcp(Endpoint { host: host.into(), port });
        let shown = Target::try_from(address).map(|target| target.to_string());
        assert_eq!(shown.as_deref(), expected.as_deref());
    }

    #[test]
    fn targets_that_make_sense() {
        check("example.com", 80, Ok("example.com:80"));
        check("127.0.0.1", 1, Ok("127.0.0.1:1"));
        check("::1", 80, Ok("[::1]:80"));
        check("[::1]", 80, Ok("[::1]:80"));
    }

    #[test]
    fn targets_that_do_not() {
        check("", 80, Err(()));
        check("example.com", 0, Err(()));
        check("two words", 80, Err(()));
        check(&"a".repeat(254), 80, Err(()));
        check(&"[".repeat(256), 80, Err(()));
        check(&format!("{}a", "[".repeat(7 << 20)), 80, Err(()));
        assert!(Target::try_from(Address::Unix("/".repeat(107))).is_ok());
        assert!(Target::try_from(Address::Unix("/".repeat(108))).is_err());
        assert!(Target::try_from(Address::Unix(String::new())).is_err());
        assert!(Target::try_from(Address::Unix("a\0b".into())).is_err());
    }

    #[test]
    fn a_literal_needs_no_lookup() {
        let target = Target::Tcp { host: "127.0.0.1".into(), port: 80 };
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(target.immediate(), Some(Attempt::Tcp(address)));
        let target = Target::Tcp { host: "localhost".into(), port: 80 };
        assert_eq!(target.immediate(), None);
    }
}
