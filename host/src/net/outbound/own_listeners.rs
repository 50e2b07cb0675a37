//! The host's own listeners, as something that a plugin might connect to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use crate::config::address::ListenAddress;

/// Where this host listens.
#[derive(Debug, Default)]
pub struct OwnListeners(RwLock<Vec<Own>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// As bound: the port is a real one.
    Tcp(SocketAddr),
    /// The same of UDP.
    Udp(SocketAddr),
    /// A socket in the file system, by what it is and not by one of its paths.
    Unix { device: u64, inode: u64 },
}

impl OwnListeners {
    /// The host listens at this address from now on; it is bound already.
    pub fn add(&self, address: &ListenAddress) {
        // A path that was removed already leads nobody to the socket.
        let Some(own) = own(address) else { return };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Each reactor has a socket of its own for the same address.
        if !all.contains(&own) {
            all.push(own);
        }
    }

    /// The host does not listen there any more.
    pub fn remove(&self, address: &ListenAddress) {
        let Some(own) = own(address) else { return };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| *known != own);
    }

    /// Whether a connection to `address` would come to one of them.
    pub fn are_at(&self, address: SocketAddr) -> bool {
        self.any(|own| matches!(own, Own::Tcp(own) if is_at(own, address)))
    }

    /// Whether a datagram to `address` would come to one of them.
    pub fn take_datagrams_at(&self, address: SocketAddr) -> bool {
        self.any(|own| matches!(own, Own::Udp(own) if is_at(own, address)))
    }

    /// Whether one of them is the socket at this path, whichever way it is written.
    pub fn are_at_path(&self, path: &Path) -> bool {
        identity(path).is_ok_and(|identity| self.any(|own| own == identity))
    }

    fn any(&self, is: impl Fn(Own) -> bool) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|own| is(*own))
    }
}

fn own(address: &ListenAddress) -> Option<Own> {
    match address {
        ListenAddress::Tcp(address) | ListenAddress::Tls(address) => Some(Own::Tcp(*address)),
        ListenAddress::Udp(address) => Some(Own::Udp(*address)),
        // What was inherited is here by what it is.
        ListenAddress::Inherited(_) => None,
        ListenAddress::Unix(path) => identity(path).ok(),
    }
}

/// Whether what is sent to `address` comes to a socket that is bound to `own`.
fn is_at(own: SocketAddr, address: SocketAddr) -> bool {
    let (ip, port) = (reached(address.ip()), address.port());
    own.port() == port
        && own.ip().is_ipv4() == ip.is_ipv4()
        && (own.ip() == ip || own.ip().is_unspecified() && is_of_this_machine(ip))
}

fn identity(path: &Path) -> io::Result<Own> {
    let metadata = std::fs::metadata(path)?;
    Ok(Own::Unix { device: metadata.dev(), inode: metadata.ino() })
}

/// The address that a connection really goes to: the unspecified one means this machine.
fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Whether an address is one of this machine's: only those can be bound. In doubt it is.
fn is_of_this_machine(ip: IpAddr) -> bool {
    match UdpSocket::bind(SocketAddr::new(ip, 0)) {
        Err(error) => error.kind() != io::ErrorKind::AddrNotAvailable,
        Ok(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listener: &str, address: &str, expected: bool) {
        let own = OwnListeners::default();
        own.add(&ListenAddress::Tcp(listener.parse().expect(listener)));
        let address = address.parse().expect(address);
        assert_eq!(own.are_at(address), expected, "{listener} is at {address}");
    }

    #[test]
    fn one_address() {
        check("127.0.0.1:80", "127.0.0.1:80", true);
        check("127.0.0.1:80", "127.0.0.1:81", false);
        check("127.0.0.1:80", "127.0.0.2:80", false);
        check("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true);
        check("127.0.0.1:80", "0.0.0.0:80", true);
        check("127.0.0.1:80", "[::1]:80", false);
        check("[::1]:80", "[::1]:80", true);
        check("[::1]:80", "[::]:80", true);
    }

    #[test]
    fn every_address_of_the_machine() {
        check("0.0.0.0:80", "127.0.0.1:80", true);
        check("0.0.0.0:80", "127.1.2.3:80", true);
        check("0.0.0.0:80", "0.0.0.0:80", true);
        check("0.0.0.0:80", "[::ffff:127.0.0.1]:80", true);
        check("0.0.0.0:80", "127.0.0.1:81", false);
        check("0.0.0.0:80", "[::1]:80", false);
        // An address for documentation is no machine's.
        check("0.0.0.0:80", "192.0.2.1:80", false);
        check("[::]:80", "127.0.0.1:80", false);
    }

    #[test]
    fn a_path_by_any_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("own.sock");
        let _socket = std::os::unix::net::UnixListener::bind(&path).expect("a new path");
        std::os::unix::fs::symlink(&path, folder.path().join("link")).expect("a new path");
        std::fs::write(folder.path().join("other"), "").expect("a new path");
        let own = OwnListeners::default();
        own.add(&ListenAddress::Unix(path.clone()));
        let check = |name: &str, expected| {
            assert_eq!(own.are_at_path(&folder.path().join(name)), expected, "{name}");
        };
        check("own.sock", true);
        check(".//own.sock", true);
        check("link", true);
        check("other", false);
        check("nothing", false);
    }
}
