//! `allow.connect`: where a plugin may connect to. Nothing is allowed that no rule names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Component, Path};

use super::error::Problem;

/// One line of `allow.connect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectRule {
    /// `127.0.0.1:5672`, `*.example.com:443`, `[::1]:*`, `10.0.0.0/8:*`.
    Tcp {
        /// Which hosts.
        host: HostPattern,
        /// Which ports.
        port: PortPattern,
    },
    /// `unix:/run/x.sock`; a `*` at the end stands for any rest of the path.
    Unix(String),
}

/// The host part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`: every host, by name or by address.
    Any,
    /// Exactly this name, in lower case.
    Name(String),
    /// `*.example.com`: every name with this ending (kept with its dot, in lower case).
    Suffix(String),
    /// An address block; a single address is a block of one. Matches address literals only: what a
    /// name resolves to is the business of rules for names.
    Block {
        /// The first address of the block.
        address: IpAddr,
        /// How many leading bits are fixed.
        prefix: u8,
    },
}

/// The port part of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPattern {
    /// `*`.
    Any,
    /// Exactly this port.
    One(u16),
}

impl ConnectRule {
    /// Whether this rule allows a TCP connection to `host` (a name or an address literal, as the
    /// plugin wrote it) at `port`.
    pub fn matches_tcp(&self, host: &str, port: u16) -> bool {
        match self {
            ConnectRule::Tcp { host: hosts, port: ports } => {
                ports.matches(port) && hosts.matches(host)
            }
            ConnectRule::Unix(_) => false,
        }
    }

    /// Whether this rule allows a connection to the Unix socket at `path`.
    pub fn matches_unix(&self, path: &str) -> bool {
        let ConnectRule::Unix(allowed) = self else { return false };
        match allowed.strip_suffix('*') {
            Some(start) => path.starts_with(start) && !goes_up(path),
            None => path == allowed,
        }
    }

    /// Reads what the operator wrote.
    pub(crate) fn parse(text: &str) -> Result<ConnectRule, Problem> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(text, path.strip_prefix("//").unwrap_or(path));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(Problem::new(
                format!("{scheme}:// does not belong into a rule"),
                format!("write {rest:?}"),
            ));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => {
                return Err(Problem::new(
                    format!("{text:?} has no port"),
                    format!("write \"{text}:443\", or \"{text}:*\" for every port"),
                ));
            }
        };
        Ok(ConnectRule::Tcp { port: PortPattern::parse(port)?, host: HostPattern::parse(host)? })
    }
}

impl PortPattern {
    fn matches(self, port: u16) -> bool {
        match self {
            PortPattern::Any => true,
            PortPattern::One(allowed) => allowed == port,
        }
    }

    fn parse(text: &str) -> Result<PortPattern, Problem> {
        match text.parse() {
            _ if text == "*" => Ok(PortPattern::Any),
            Ok(port) if port != 0 => Ok(PortPattern::One(port)),
            _ => Err(Problem::new(
                format!("{text:?} is not a port"),
                "write a number from 1 to 65535, or * for every port",
            )),
        }
    }
}

impl HostPattern {
    fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Name(name) => *name == plain(host),
            HostPattern::Suffix(suffix) => {
                let host = plain(host);
                suffix.len() < host.len() && host.ends_with(suffix.as_str())
            }
            HostPattern::Block { address, prefix } => {
                let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                let literal = literal.unwrap_or(host).parse::<IpAddr>();
                literal
                    .is_ok_and(|literal| network(literal.to_canonical(), *prefix) == Some(*address))
            }
        }
    }

    fn parse(text: &str) -> Result<HostPattern, Problem> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let (address, prefix) = match bracketed.unwrap_or(text).split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (bracketed.unwrap_or(text), None),
        };
        match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) if bracketed.is_none() => Err(Problem::new(
                format!("{text:?} is an IPv6 address without brackets"),
                format!("write \"[{text}]:443\", or \"[{text}]:*\" for every port"),
            )),
            Ok(address) => block(text, address.to_canonical(), prefix),
            Err(_) if prefix.is_some() || bracketed.is_some() => Err(not_a_host(text)),
            Err(_) => name(text),
        }
    }
}

/// A name as it is compared: lower case, without the dot that marks the root.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn not_a_host(text: &str) -> Problem {
    Problem::new(
        format!("{text:?} is not a host"),
        r#"write a name, *.example.com, an address, or a block as in "10.0.0.0/8:*""#,
    )
}

fn name(text: &str) -> Result<HostPattern, Problem> {
    let plain = plain(text);
    let name = plain.strip_prefix("*.").unwrap_or(&plain);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last_is_number =
        name.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if !name.split('.').all(is_label) || last_is_number {
        return Err(not_a_host(text));
    }
    Ok(match plain.strip_prefix('*') {
        Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        None => HostPattern::Name(plain),
    })
}

fn block(text: &str, address: IpAddr, prefix: Option<&str>) -> Result<HostPattern, Problem> {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let Some(prefix) = prefix else { return Ok(HostPattern::Block { address, prefix: bits }) };
    let Some(prefix) = prefix.parse().ok().filter(|prefix| *prefix <= bits) else {
        return Err(Problem::new(
            format!("{text:?} is not a block of addresses"),
            format!("write a number from 0 to {bits} after the slash"),
        ));
    };
    match network(address, prefix) {
        Some(first) if first != address => {
            let first = if first.is_ipv4() {
                format!("{first}/{prefix}")
            } else {
                format!("[{first}/{prefix}]")
            };
            Err(Problem::new(
                format!("{text:?} has bits set beyond its {prefix} fixed ones"),
                format!("write {first:?} and the port"),
            ))
        }
        _ => Ok(HostPattern::Block { address, prefix }),
    }
}

/// The first address of the block that `address` is in; none if it has fewer bits than `prefix`.
fn network(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let free = 32_u32.checked_sub(prefix.into())?;
            let mask = u32::MAX.checked_shl(free).unwrap_or(0);
            Some(Ipv4Addr::from_bits(address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let free = 128_u32.checked_sub(prefix.into())?;
            let mask = u128::MAX.checked_shl(free).unwrap_or(0);
            Some(Ipv6Addr::from_bits(address.to_bits() & mask).into())
        }
    }
}

fn unix(text: &str, path: &str) -> Result<ConnectRule, Problem> {
    let start = path.strip_suffix('*').unwrap_or(path);
    if !start.starts_with('/') {
        return Err(Problem::new(
            format!("{text:?} has no absolute path"),
            r#"write the whole path, as in "unix:/run/x.sock""#,
        ));
    }
    if start.contains('*') || goes_up(path) {
        return Err(Problem::new(
            format!("{text:?} has .. in it, or a * that is not at its end"),
            r#"write one path, or the start of some with a * at the end, as in "unix:/run/x/*""#,
        ));
    }
    Ok(ConnectRule::Unix(path.to_owned()))
}

/// Whether a path leaves the folder it seems to be in.
fn goes_up(path: &str) -> bool {
    Path::new(path).components().any(|part| part == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> ConnectRule {
        ConnectRule::parse(text).unwrap_or_else(|problem| panic!("{text:?}: {problem}"))
    }

    #[track_caller]
    fn check_tcp(text: &str, allowed: &[(&str, u16)], denied: &[(&str, u16)]) {
        let rule = rule(text);
        for (host, port) in allowed {
            assert!(rule.matches_tcp(host, *port), "{text:?} allows {host} {port}");
        }
        for (host, port) in denied {
            assert!(!rule.matches_tcp(host, *port), "{text:?} denies {host} {port}");
        }
        assert!(!rule.matches_unix("/run/x.sock"));
    }

    #[test]
    fn names() {
        check_tcp(
            "API.example.com:443",
            &[("api.example.com", 443), ("Api.Example.COM", 443), ("api.example.com.", 443)],
            &[("api.example.com", 80), ("example.com", 443), ("x.api.example.com", 443), ("", 443)],
        );
        check_tcp(
            "*.example.com:443",
            &[("a.example.com", 443), ("a.b.EXAMPLE.com", 443)],
            &[
                ("example.com", 443),
                (".example.com", 443),
                ("badexample.com", 443),
                ("1.2.3.4", 443),
            ],
        );
        check_tcp("*:25", &[("mail.example.com", 25), ("10.0.0.1", 25), ("::1", 25)], &[("x", 26)]);
    }

    #[test]
    fn addresses() {
        check_tcp(
            "127.0.0.1:5672",
            &[("127.0.0.1", 5672), ("::ffff:127.0.0.1", 5672)],
            &[("127.0.0.2", 5672), ("127.0.0.1", 5673), ("127.1", 5672), ("localhost", 5672)],
        );
        check_tcp(
            "[::1]:*",
            &[("::1", 1), ("[::1]", 65535), ("0:0::1", 9)],
            &[("::2", 1), ("[::1", 1)],
        );
        check_tcp(
            "10.0.0.0/8:*",
            &[("10.0.0.0", 1), ("10.255.255.255", 2)],
            &[("11.0.0.0", 1), ("9.255.255.255", 1), ("a00::", 1), ("10.example.com", 1)],
        );
        check_tcp("[fd00::/8]:80", &[("fd12::1", 80)], &[("fe80::1", 80), ("253.0.0.0", 80)]);
        check_tcp("0.0.0.0/0:80", &[("1.2.3.4", 80)], &[("::1", 80), ("x", 80)]);
        check_tcp("[::/0]:80", &[("::1", 80)], &[("1.2.3.4", 80)]);
    }

    #[test]
    fn unix_sockets() {
        for (text, allowed, denied) in [
            ("unix:/run/x.sock", "/run/x.sock", "/run/x.sock2"),
            ("unix:///run/x.sock", "/run/x.sock", "run/x.sock"),
            ("unix:/run/app/*", "/run/app/a/b.sock", "/run/app/../x.sock"),
            ("unix:/run/app-*", "/run/app-1", "/run/app"),
        ] {
            let rule = rule(text);
            assert!(rule.matches_unix(allowed), "{text:?} allows {allowed}");
            assert!(!rule.matches_unix(denied), "{text:?} denies {denied}");
            assert!(!rule.matches_tcp("localhost", 80));
        }
    }

    #[track_caller]
    fn check_refused(text: &str, cause: &str, remedy: &str) {
        let problem = ConnectRule::parse(text).expect_err(text).to_string();
        assert_eq!(problem, format!("{cause}; {remedy}"), "{text:?}");
    }

    #[test]
    fn refused() {
        check_refused(
            "example.com",
            r#""example.com" has no port"#,
            r#"write "example.com:443", or "example.com:*" for every port"#,
        );
        check_refused(
            "tcp://example.com:443",
            r#"tcp:// does not belong into a rule"#,
            r#"write "example.com:443""#,
        );
        check_refused(
            "example.com:http",
            r#""http" is not a port"#,
            r#"write a number from 1 to 65535, or * for every port"#,
        );
        check_refused(
            "::1:80",
            r#""::1" is an IPv6 address without brackets"#,
            r#"write "[::1]:443", or "[::1]:*" for every port"#,
        );
        check_refused(
            "10.0.0.1/8:*",
            r#""10.0.0.1/8" has bits set beyond its 8 fixed ones"#,
            r#"write "10.0.0.0/8" and the port"#,
        );
        check_refused(
            "10.0.0.0/33:*",
            r#""10.0.0.0/33" is not a block of addresses"#,
            r#"write a number from 0 to 32 after the slash"#,
        );
        check_refused(
            "unix:x.sock",
            r#""unix:x.sock" has no absolute path"#,
            r#"write the whole path, as in "unix:/run/x.sock""#,
        );
        check_refused(
            "unix:/run/*/x",
            r#""unix:/run/*/x" has .. in it, or a * that is not at its end"#,
            r#"write one path, or the start of some with a * at the end, as in "unix:/run/x/*""#,
        );
    }

    #[test]
    fn refused_hosts() {
        let remedy = r#"write a name, *.example.com, an address, or a block as in "10.0.0.0/8:*""#;
        for (text, host) in [
            ("999.0.0.1:80", "999.0.0.1"),
            ("a.*.com:80", "a.*.com"),
            ("exa mple.com:80", "exa mple.com"),
            ("[example.com]:80", "[example.com]"),
            ("*.:80", "*."),
            (":80", ""),
        ] {
            check_refused(text, &format!("{host:?} is not a host"), remedy);
        }
    }
}
