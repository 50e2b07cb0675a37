//! `allow.listen`: the rules for listeners, datagram sockets and source addresses of a plugin.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use ipnet::IpNet;

use super::address_block::{self, BlockFault, bits_beyond};
use super::connect::PortPattern;
use super::error::Problem;
use crate::base::host_port::{in_brackets, split_host_port};

/// An address that a plugin requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenPlace {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A UDP port.
    Udp(SocketAddr),
    /// The path of a Unix socket.
    Unix(String),
}

/// A rule of `allow.listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenRule {
    /// `127.0.0.1:8000-8010`, `[::1]:*`, `*:8080`, and the same after `udp:`.
    Port {
        /// Whether the ports are UDP ports.
        is_udp: bool,
        /// The addresses; none means all.
        block: Option<IpNet>,
        /// The ports.
        ports: ListenPorts,
    },
    /// `unix:/run/x.sock`.
    Unix(String),
}

/// The ports of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenPorts {
    /// `0`: a port that the system chooses.
    Chosen,
    /// One, a range, or `*`, which includes a port that the system chooses.
    Of(PortPattern),
}

impl ListenRule {
    /// Whether this rule lists an address.
    pub fn lists(&self, at: &ListenPlace) -> bool {
        match (self, at) {
            (ListenRule::Unix(path), ListenPlace::Unix(asked)) => path == asked,
            (ListenRule::Port { is_udp: false, block, ports }, ListenPlace::Tcp(address))
            | (ListenRule::Port { is_udp: true, block, ports }, ListenPlace::Udp(address)) => {
                let ip = address.ip().to_canonical();
                block.is_none_or(|block| block.contains(&ip)) && ports.list(address.port())
            }
            _ => false,
        }
    }

    /// Parses a rule.
    pub(crate) fn parse(text: &str) -> Result<ListenRule, Problem> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(text, path.strip_prefix("//").unwrap_or(path));
        }
        let udp = text.strip_prefix("udp:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
        let rest = udp.unwrap_or(text);
        if let Some((scheme, rest)) = rest.split_once("://") {
            return Err(Problem::new(
                format!("{scheme}:// does not belong into a rule"),
                format!("write {rest:?}"),
            ));
        }
        let (host, Some(ports)) = split_host_port(rest) else {
            return Err(Problem::new(
                format!("{text:?} has no port"),
                format!("write \"{text}:8080\", or \"{text}:*\" for every port"),
            ));
        };
        Ok(ListenRule::Port {
            is_udp: udp.is_some(),
            ports: ListenPorts::parse(ports)?,
            block: block(host)?,
        })
    }
}

impl ListenPorts {
    fn list(self, port: u16) -> bool {
        match self {
            ListenPorts::Chosen => port == 0,
            ListenPorts::Of(pattern) => pattern.matches(port),
        }
    }

    fn parse(text: &str) -> Result<ListenPorts, Problem> {
        match text {
            "0" => Ok(ListenPorts::Chosen),
            _ => PortPattern::parse(text).map(ListenPorts::Of),
        }
    }
}

fn block(host: &str) -> Result<Option<IpNet>, Problem> {
    let problem = |cause: String| {
        Problem::new(
            cause,
            r#"write an address or a block as in "127.0.0.1:8000", "[::1]:8000" or "10.0.0.0/8:*", or * for every address"#,
        )
    };
    if host == "*" {
        return Ok(None);
    }
    let bracketed = in_brackets(host);
    let bare = bracketed.unwrap_or(host);
    if bare.contains(':') && bracketed.is_none() {
        let cause = format!("{host:?} is an IPv6 address without brackets");
        return Err(problem(cause));
    }
    address_block::parse(bare).map(Some).map_err(|fault| match fault {
        BlockFault::BitsBeyond(block) => problem(bits_beyond(host, block)),
        BlockFault::NoAddress => problem(format!("{host:?} is not an address of this machine")),
    })
}

fn unix(text: &str, path: &str) -> Result<ListenRule, Problem> {
    let is_plain = Path::new(path).components().all(|part| {
        matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_))
    });
    if !path.starts_with('/') || path.ends_with('/') || path.contains('*') || !is_plain {
        return Err(Problem::new(
            format!("{text:?} is not one absolute path"),
            r#"write the whole path, as in "unix:/run/x.sock""#,
        ));
    }
    Ok(ListenRule::Unix(path.to_owned()))
}

/// The rule for exactly this address.
impl fmt::Display for ListenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenPlace::Tcp(address) => write!(f, "{address}"),
            ListenPlace::Udp(address) => write!(f, "udp:{address}"),
            ListenPlace::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> ListenPlace {
        match text.split_once(':') {
            Some(("udp", address)) => ListenPlace::Udp(address.parse().expect(text)),
            Some(("unix", path)) => ListenPlace::Unix(path.to_owned()),
            _ => ListenPlace::Tcp(text.parse().expect(text)),
        }
    }

    #[test]
    fn what_a_rule_lists() {
        for (rule, asked, expected) in [
            ("127.0.0.1:8000", "127.0.0.1:8000", true),
            ("127.0.0.1:8000", "127.0.0.1:8001", false),
            ("127.0.0.1:8000", "127.0.0.2:8000", false),
            ("127.0.0.1:8000", "udp:127.0.0.1:8000", false),
            ("127.0.0.1:8000-8010", "127.0.0.1:7999", false),
            ("127.0.0.1:8000-8010", "127.0.0.1:8000", true),
            ("127.0.0.1:8000-8010", "127.0.0.1:8010", true),
            ("127.0.0.1:8000-8010", "127.0.0.1:8011", false),
            ("127.0.0.1:8000-8010", "127.0.0.1:0", false),
            ("127.0.0.1:1-65535", "127.0.0.1:0", false),
            ("127.0.0.1:1-65535", "127.0.0.1:65535", true),
            ("127.0.0.1:0", "127.0.0.1:0", true),
            ("127.0.0.1:0", "127.0.0.1:1", false),
            ("127.0.0.1:*", "127.0.0.1:0", true),
            ("127.0.0.1:*", "127.0.0.1:80", true),
            ("127.0.0.1:*", "0.0.0.0:80", false),
            ("127.0.0.0/8:80", "127.9.9.9:80", true),
            ("0.0.0.0:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", false),
            ("*:80", "0.0.0.0:80", true),
            ("*:80", "[::]:80", true),
            ("*:80", "udp:0.0.0.0:80", false),
            ("[::1]:80", "[::1]:80", true),
            ("[::1]:80", "[::]:80", false),
            ("[::1]:80", "127.0.0.1:80", false),
            ("[fd00::/8]:80", "[fd12::1]:80", true),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("udp:127.0.0.1:53", "udp:127.0.0.1:53", true),
            ("udp://127.0.0.1:53", "udp:127.0.0.1:53", true),
            ("udp:127.0.0.1:53", "127.0.0.1:53", false),
            ("udp:[::1]:*", "udp:[::1]:0", true),
            ("unix:/run/x.sock", "unix:/run/x.sock", true),
            ("unix:///run/x.sock", "unix:/run/x.sock", true),
            ("unix:/run/x.sock", "unix:/run//x.sock", false),
            ("unix:/run/x.sock", "unix:/run/x.sock/../y", false),
        ] {
            let rule = ListenRule::parse(rule).expect(rule);
            assert_eq!(rule.lists(&place(asked)), expected, "{rule:?} {asked}");
        }
    }

    #[test]
    fn the_rule_for_a_place_lists_it_and_is_read_again() {
        for asked in ["127.0.0.1:80", "[::1]:0", "udp:0.0.0.0:53", "unix:/run/x.sock"] {
            let asked = place(asked);
            let rule = ListenRule::parse(&asked.to_string()).expect("a rule");
            assert!(rule.lists(&asked), "{asked}");
        }
    }

    #[test]
    fn what_is_no_rule() {
        for text in [
            "",
            "8000",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:-1",
            "127.0.0.1:8010-8000",
            "127.0.0.1:0-80",
            "127.0.0.1:65536",
            "localhost:80",
            "*.example.com:80",
            "::1:80",
            "10.0.0.1/8:80",
            "tcp://127.0.0.1:80",
            "unix:x.sock",
            "unix:/run/*",
            "unix:/run/../x",
            "unix:/run/",
            "udp:",
            "udp:127.0.0.1",
        ] {
            assert!(ListenRule::parse(text).is_err(), "{text:?}");
        }
    }
}
