//! The host's own listeners, which plugins may connect to only with an explicit grant.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::base::lock::RwLock;
use crate::config::address::ListenAddress;

/// The addresses at which this host listens.
#[derive(Debug, Default)]
pub struct OwnListeners(RwLock<Vec<Own>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// The bound address of TCP.
    Tcp(SocketAddr),
    /// The bound address of UDP.
    Udp(SocketAddr),
    /// A Unix socket, by its inode and not by one of its paths.
    Unix { device: u64, inode: u64 },
}

impl OwnListeners {
    /// Adds an address that is bound.
    pub fn add(&self, address: &ListenAddress) {
        // If the path is gone already no connection can be made by it.
        let Some(own) = own(address) else { return };
        let mut all = self.0.write();
        // Every reactor adds the address that they share.
        if !all.contains(&own) {
            all.push(own);
        }
    }

    /// Removes an address.
    pub fn remove(&self, address: &ListenAddress) {
        let Some(own) = own(address) else { return };
        let mut all = self.0.write();
        all.retain(|known| *known != own);
    }

    /// Whether a connection to `address` would reach one of them.
    pub fn are_at(&self, address: SocketAddr) -> bool {
        self.any(|own| matches!(own, Own::Tcp(own) if is_at(own, address)))
    }

    /// Whether a datagram to `address` would reach one of them.
    pub fn take_datagrams_at(&self, address: SocketAddr) -> bool {
        self.any(|own| matches!(own, Own::Udp(own) if is_at(own, address)))
    }

    /// Whether one of them is the socket at this path, however that is written.
    pub fn are_at_path(&self, path: &Path) -> bool {
        identity(path).is_ok_and(|identity| self.any(|own| own == identity))
    }

    fn any(&self, is: impl Fn(Own) -> bool) -> bool {
        self.0.read().iter().any(|own| is(*own))
    }
}

fn own(address: &ListenAddress) -> Option<Own> {
    match address {
        ListenAddress::Tcp(address) | ListenAddress::Tls(address) => Some(Own::Tcp(*address)),
        ListenAddress::Udp(address) => Some(Own::Udp(*address)),
        // Inherited sockets are added by their real address.
        ListenAddress::Inherited(_) => None,
        ListenAddress::Unix(path) => identity(path).ok(),
    }
}

/// Whether packets to `address` reach a socket that is bound to `own`.
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

/// The address that a connection is really made to: the unspecified one means this machine.
fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Whether an address is one of this machine's, tried by a bind. If that is unknown, true.
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
        // No machine has an address that is reserved for documentation.
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
