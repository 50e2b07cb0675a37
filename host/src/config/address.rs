//! `listen.address`: the address of a listener.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::error::Problem;
use crate::base::host_port::split_host_port;

/// The address of a listener. Its text is the value of the key: `tcp://…`, `tls://…`, `udp://…`, `unix://…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// A TCP address; the system chooses a port for 0.
    Tcp(SocketAddr),
    /// A TCP address with TLS; the system chooses a port for 0.
    Tls(SocketAddr),
    /// A UDP address; the system chooses a port for 0.
    Udp(SocketAddr),
    /// A Unix socket; a relative path is relative to the folder of the configuration file.
    Unix(PathBuf),
    /// A socket that was opened by the process that has started the host, by its number or name.
    Inherited(String),
}

/// The longest path of a Unix socket: `sun_path` without its closing zero.
const UNIX_PATH_BYTES_MAX: usize = 107;

const EXAMPLES: &str = r#"write "tcp://127.0.0.1:10000" or "unix:///run/echo.sock""#;

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => write!(f, "tcp://{address}"),
            ListenAddress::Tls(address) => write!(f, "tls://{address}"),
            ListenAddress::Udp(address) => write!(f, "udp://{address}"),
            ListenAddress::Unix(path) => write!(f, "unix://{}", path.display()),
            ListenAddress::Inherited(name) => write!(f, "fd://{name}"),
        }
    }
}

impl ListenAddress {
    /// Parses the value of the key; relative paths are relative to `folder`.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<ListenAddress, Problem> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Problem::new(format!("{text:?} has no scheme"), EXAMPLES));
        };
        match scheme {
            "tcp" => ip(scheme, text, rest).map(ListenAddress::Tcp),
            "udp" => ip(scheme, text, rest).map(ListenAddress::Udp),
            "unix" => unix(text, rest, folder).map(ListenAddress::Unix),
            "fd" => inherited(text, rest).map(ListenAddress::Inherited),
            "tls" => ip(scheme, text, rest).map(ListenAddress::Tls),
            _ => Err(Problem::new(format!("{scheme:?} is not a scheme of an address"), EXAMPLES)),
        }
    }
}

fn ip(scheme: &str, text: &str, rest: &str) -> Result<SocketAddr, Problem> {
    if let Ok(address) = rest.parse() {
        return plain(scheme, address);
    }
    if rest.contains('/') {
        let before = rest.split('/').next().unwrap_or_default();
        return Err(Problem::new(
            format!("{text:?} goes on after the port"),
            format!("write \"{scheme}://{before}\""),
        ));
    }
    if rest.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(Problem::new(
            format!("{text:?} has an IPv6 address without brackets or without a port"),
            format!("write \"{scheme}://[{rest}]:10000\""),
        ));
    }
    let (host, port) = split_host_port(rest);
    let port = port.unwrap_or_default();
    if port.is_empty() {
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        return Err(Problem::new(
            format!("{text:?} has no port"),
            format!("write \"{scheme}://{host}:10000\", or port 0 to let the system choose"),
        ));
    }
    if port.parse::<u16>().is_err() {
        return Err(Problem::new(
            format!("{port:?} is not a port"),
            "write a number from 0 to 65535",
        ));
    }
    Err(not_an_address(scheme, host, port))
}

/// IPv6 listeners accept no IPv4 connections, so an IPv4-mapped address is refused.
fn plain(scheme: &str, address: SocketAddr) -> Result<SocketAddr, Problem> {
    let IpAddr::V6(ip) = address.ip() else { return Ok(address) };
    match ip.to_ipv4_mapped() {
        None => Ok(address),
        Some(ip) => Err(Problem::new(
            format!("[{}] is an IPv4 address written as an IPv6 one", address.ip()),
            format!("write \"{scheme}://{ip}:{}\"", address.port()),
        )),
    }
}

/// Names are refused: a listener does not wait for a name server, and a name may have several addresses.
fn not_an_address(scheme: &str, host: &str, port: &str) -> Problem {
    let remedy = match host {
        "localhost" => {
            format!("write \"{scheme}://127.0.0.1:{port}\" or \"{scheme}://[::1]:{port}\"")
        }
        "" | "*" => {
            format!(
                "write \"{scheme}://0.0.0.0:{port}\" or \"{scheme}://[::]:{port}\" for every one"
            )
        }
        _ if host.contains(':') && !host.starts_with('[') => {
            format!("write \"{scheme}://[{host}]:{port}\"")
        }
        _ => format!(
            "names are not looked up: write the address itself, as in \"{scheme}://127.0.0.1:{port}\""
        ),
    };
    Problem::new(format!("{host:?} is not an IP address"), remedy)
}

/// The characters that systemd allows in the name of a descriptor: `FileDescriptorName=` in systemd.socket(5).
fn inherited(text: &str, rest: &str) -> Result<String, Problem> {
    let is_of_a_name = |letter: char| letter.is_ascii_graphic() && letter != ':' && letter != '/';
    if rest.is_empty() || !rest.chars().all(is_of_a_name) {
        return Err(Problem::new(
            format!("{text:?} names no descriptor"),
            r#"write its number or its name, as in "fd://3" or "fd://echo.socket""#,
        ));
    }
    Ok(rest.to_owned())
}

pub(super) fn unix(text: &str, rest: &str, folder: &Path) -> Result<PathBuf, Problem> {
    if rest.is_empty() || rest.ends_with('/') {
        return Err(Problem::new(
            format!("{text:?} names no file"),
            r#"write the path of the socket, as in "unix:///run/echo.sock""#,
        ));
    }
    if rest.contains('\0') {
        return Err(Problem::new(format!("{text:?} has a zero byte"), "leave it out"));
    }
    let path = folder.join(rest.trim_start_matches("./"));
    let bytes = path.as_os_str().len();
    if UNIX_PATH_BYTES_MAX < bytes {
        return Err(Problem::new(
            format!("the path of the socket has {bytes} bytes"),
            format!("write one of at most {UNIX_PATH_BYTES_MAX}, as in \"unix:///run/echo.sock\""),
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match ListenAddress::parse(text, Path::new("etc")) {
            Ok(address) => address.to_string(),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(shown, expected, "{text:?}");
    }

    #[track_caller]
    fn check_refused(text: &str, cause: &str, remedy: &str) {
        check(text, &format!("{cause}; {remedy}"));
    }

    #[test]
    fn served() {
        check("tcp://127.0.0.1:10000", "tcp://127.0.0.1:10000");
        check("tcp://0.0.0.0:0", "tcp://0.0.0.0:0");
        check("tcp://[::1]:80", "tcp://[::1]:80");
        check("udp://127.0.0.1:53", "udp://127.0.0.1:53");
        check("tls://[::1]:443", "tls://[::1]:443");
        check("unix:///run/echo.sock", "unix:///run/echo.sock");
        check("unix://echo.sock", "unix://etc/echo.sock");
        check("fd://3", "fd://3");
        check("fd://echo.socket", "fd://echo.socket");
    }

    #[test]
    fn refused() {
        check_refused("127.0.0.1:80", r#""127.0.0.1:80" has no scheme"#, EXAMPLES);
        check_refused("http://127.0.0.1:80", r#""http" is not a scheme of an address"#, EXAMPLES);
        check_refused(
            "tcp://127.0.0.1",
            r#""tcp://127.0.0.1" has no port"#,
            r#"write "tcp://127.0.0.1:10000", or port 0 to let the system choose"#,
        );
        check_refused(
            "tcp://[::1]",
            r#""tcp://[::1]" has no port"#,
            r#"write "tcp://[::1]:10000", or port 0 to let the system choose"#,
        );
        check_refused(
            "tcp://",
            r#""tcp://" has no port"#,
            r#"write "tcp://127.0.0.1:10000", or port 0 to let the system choose"#,
        );
        check_refused(
            "udp://localhost:53",
            r#""localhost" is not an IP address"#,
            r#"write "udp://127.0.0.1:53" or "udp://[::1]:53""#,
        );
        check_refused(
            "tcp://127.0.0.1:70000",
            r#""70000" is not a port"#,
            r#"write a number from 0 to 65535"#,
        );
        check_refused(
            "tcp://127.0.0.1:80/",
            r#""tcp://127.0.0.1:80/" goes on after the port"#,
            r#"write "tcp://127.0.0.1:80""#,
        );
        check_refused(
            "tcp://::1",
            r#""tcp://::1" has an IPv6 address without brackets or without a port"#,
            r#"write "tcp://[::1]:10000""#,
        );
        check_refused(
            "tcp://*:80",
            r#""*" is not an IP address"#,
            r#"write "tcp://0.0.0.0:80" or "tcp://[::]:80" for every one"#,
        );
        check_refused(
            "tcp://localhost:80",
            r#""localhost" is not an IP address"#,
            r#"write "tcp://127.0.0.1:80" or "tcp://[::1]:80""#,
        );
        check_refused(
            "tcp://echo.example:80",
            r#""echo.example" is not an IP address"#,
            r#"names are not looked up: write the address itself, as in "tcp://127.0.0.1:80""#,
        );
        check_refused(
            "tcp://[::ffff:127.0.0.1]:80",
            "[::ffff:127.0.0.1] is an IPv4 address written as an IPv6 one",
            r#"write "tcp://127.0.0.1:80""#,
        );
        for none in ["fd://", "fd://a b", "fd://a:b", "fd:///run/x"] {
            check_refused(
                none,
                &format!("{none:?} names no descriptor"),
                r#"write its number or its name, as in "fd://3" or "fd://echo.socket""#,
            );
        }
        check_refused(
            "unix://",
            r#""unix://" names no file"#,
            r#"write the path of the socket, as in "unix:///run/echo.sock""#,
        );
        check_refused(
            &format!("unix:///{}", "x".repeat(107)),
            r#"the path of the socket has 108 bytes"#,
            r#"write one of at most 107, as in "unix:///run/echo.sock""#,
        );
    }
}
