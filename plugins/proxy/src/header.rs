//! The PROXY protocol, as HAProxy has written it down: who the client is, before its first byte.

use std::net::{IpAddr, SocketAddr};

use sandloop::{Address, Socket};

/// Which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// What every header of the second version begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, and whether somebody is behind the connection.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// TCP over IPv4 and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The header for a client.
pub fn of(version: Version, client: &Socket) -> Vec<u8> {
    let ends = (client.peer_address(), client.local_address());
    match ends {
        (Some(from), Some(to)) => between(version, ip(&from), ip(&to)),
        _ => of_nobody(version),
    }
}

/// The header for a connection of the proxy's own.
pub fn of_nobody(version: Version) -> Vec<u8> {
    match version {
        Version::V1 => b"PROXY UNKNOWN\r\n".to_vec(),
        Version::V2 => [SIGNATURE, &[LOCAL, 0, 0, 0]].concat(),
    }
}

/// What a source is told from another by: its IP address, or the path of its Unix socket.
pub fn host_of(address: &Address) -> &str {
    match address {
        Address::Tcp(endpoint) => &endpoint.host,
        Address::Unix(path) => path,
    }
}

fn ip(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Tcp(endpoint) => Some(SocketAddr::new(endpoint.host.parse().ok()?, endpoint.port)),
        Address::Unix(_) => None,
    }
}

fn between(version: Version, from: Option<SocketAddr>, to: Option<SocketAddr>) -> Vec<u8> {
    let (Some(from), Some(to)) = (from, to) else { return of_nobody(version) };
    let (family, name, hosts) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            (TCP4, "TCP4", [&from.octets()[..], &to.octets()].concat())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            (TCP6, "TCP6", [&from.octets()[..], &to.octets()].concat())
        }
        _ => return of_nobody(version),
    };
    match version {
        Version::V1 => {
            let (source, target) = (from.ip(), to.ip());
            format!("PROXY {name} {source} {target} {} {}\r\n", from.port(), to.port()).into_bytes()
        }
        Version::V2 => {
            let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
            // Two addresses and two ports: 12 or 36 bytes.
            let length = [0, (hosts.len() + ports.len()) as u8];
            [SIGNATURE, &[PROXY, family], &length, &hosts, &ports].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: Version, from: &str, to: &str) -> Vec<u8> {
        between(version, from.parse().ok(), to.parse().ok())
    }

    #[test]
    fn the_first_version_is_a_line() {
        let check = |from, to, line: &str| {
            assert_eq!(String::from_utf8(header(Version::V1, from, to)).unwrap(), line);
        };
        check("192.0.2.7:5", "198.51.100.1:443", "PROXY TCP4 192.0.2.7 198.51.100.1 5 443\r\n");
        check("[2001:db8::1]:5", "[::1]:443", "PROXY TCP6 2001:db8::1 ::1 5 443\r\n");
        check("192.0.2.7:5", "[::1]:443", "PROXY UNKNOWN\r\n");
        check("a path", "another", "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn the_second_version_is_binary() {
        let four = header(Version::V2, "192.0.2.7:258", "198.51.100.1:443");
        assert_eq!(four.strip_prefix(SIGNATURE).unwrap()[..4], [0x21, 0x11, 0, 12]);
        assert_eq!(four[16..], [192, 0, 2, 7, 198, 51, 100, 1, 1, 2, 1, 187]);
        let six = header(Version::V2, "[::1]:1", "[::2]:2");
        assert_eq!((&six[12..16], six.len()), (&[0x21, 0x21, 0, 36][..], 52));
        assert_eq!(of_nobody(Version::V2)[12..], [0x20, 0, 0, 0]);
    }
}
