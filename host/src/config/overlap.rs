//! Listeners that cannot both be bound, however their addresses are written.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use super::address::ListenAddress;

/// Whether one process cannot bind both.
///
/// IPv6 listeners accept no IPv4 connections, so `[::]` and `0.0.0.0` do not overlap. The system chooses different ports for 0.
pub(super) fn overlap(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (
            ListenAddress::Tcp(one) | ListenAddress::Tls(one),
            ListenAddress::Tcp(other) | ListenAddress::Tls(other),
        )
        | (ListenAddress::Udp(one), ListenAddress::Udp(other)) => ports(one, other),
        (ListenAddress::Unix(one), ListenAddress::Unix(other)) => place(one) == place(other),
        (ListenAddress::Inherited(one), ListenAddress::Inherited(other)) => one == other,
        _ => false,
    }
}

fn ports(one: &SocketAddr, other: &SocketAddr) -> bool {
    let is_one_port = one.port() == other.port() && one.port() != 0;
    let is_one_kind = one.is_ipv4() == other.is_ipv4();
    let is_one_address = one.ip() == other.ip() && scope(one) == scope(other);
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    is_one_port && is_one_kind && (is_one_address || is_any)
}

/// The interface of a link-local address.
fn scope(address: &SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

/// The canonical path, as far as its folders exist.
fn place(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return path.to_owned(),
    };
    folder.canonicalize().unwrap_or_else(|_| plain(folder)).join(name)
}

/// The absolute path without `.` and `..`, for a path that does not exist.
fn plain(path: &Path) -> PathBuf {
    // Without a current folder both paths stay relative.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &ListenAddress, other: &ListenAddress, expected: bool) {
        assert_eq!(overlap(one, other), expected, "{one} and {other}");
        assert_eq!(overlap(other, one), expected, "{other} and {one}");
    }

    #[test]
    fn tcp_addresses() {
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "127.0.0.1:81", false),
            ("[::]:80", "[::1]:80", true),
            ("[::]:80", "[0:0::0]:80", true),
            ("[::1]:80", "[0:0:0:0:0:0:0:1]:80", true),
            ("[::1]:80", "[::2]:80", false),
            ("[fe80::1%1]:80", "[fe80::1%2]:80", false),
            ("[fe80::1%1]:80", "[fe80::1%1]:80", true),
            ("[fe80::1%1]:80", "[::]:80", true),
            // Two protocols.
            ("[::]:80", "0.0.0.0:80", false),
            ("[::1]:80", "127.0.0.1:80", false),
            ("[::]:80", "127.0.0.1:80", false),
            // The system chooses the ports.
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:0", "127.0.0.1:0", false),
            ("[::]:0", "[::]:0", false),
        ] {
            let tcp = |text: &str| ListenAddress::Tcp(text.parse().expect(text));
            check(&tcp(one), &tcp(other), expected);
        }
    }

    #[test]
    fn paths() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("run")).expect("a new folder");
        std::os::unix::fs::symlink(dir.path().join("run"), dir.path().join("link"))
            .expect("a new link");
        for (one, other, expected) in [
            ("run/a", "run/a", true),
            ("run/a", "run/b", false),
            ("run/a", "run//a", true),
            ("run/a", "run/./a", true),
            ("run/a", "run/../run/a", true),
            ("run/a", "link/a", true),
            ("run/a", "link/../run/a", true),
            ("run/a", "a", false),
            ("missing/a", "missing/./a", true),
            ("missing/a", "missing/more/../a", true),
            ("missing/a", "run/a", false),
        ] {
            let unix = |path: &str| ListenAddress::Unix(dir.path().join(path));
            check(&unix(one), &unix(other), expected);
        }
        let tcp = ListenAddress::Tcp("127.0.0.1:80".parse().expect("an address"));
        check(&tcp, &ListenAddress::Tls("0.0.0.0:80".parse().expect("an address")), true);
        check(&tcp, &ListenAddress::Udp("127.0.0.1:80".parse().expect("an address")), false);
        check(&tcp, &ListenAddress::Unix("/80".into()), false);
    }
}
