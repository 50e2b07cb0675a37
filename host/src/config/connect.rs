//! `allow.connect`: the rules for outgoing connections. [`Allow`](super::allow::Allow) applies them together.

use std::net::IpAddr;
use std::path::{Component, Path};

use ipnet::IpNet;

use super::address_block::bits_beyond;
use super::error::Problem;
use crate::base::host_port::{in_brackets, split_host_port};

/// A rule of `allow.connect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectRule {
    /// `127.0.0.1:5672`, `*.example.com:443`, `[::1]:*`, `10.0.0.0/8:*`.
    Tcp {
        /// The hosts.
        host: HostPattern,
        /// The ports.
        port: PortPattern,
    },
    /// `unix:/run/x.sock`; with a `*` at the end, every path with that prefix.
    Unix(String),
}

/// The host part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`: every host with a public address, by name or by address.
    Any,
    /// Exactly this name, in lower case.
    Name(String),
    /// `*.example.com`: every name with this suffix, which includes the dot and is in lower case.
    Suffix(String),
    /// An address block; a single address is a block of one. It lists addresses that a plugin asks for and addresses of listed
    /// names, but no names.
    Block(IpNet),
}

/// The port part of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPattern {
    /// `*`.
    Any,
    /// Exactly this port.
    One(u16),
    /// `8000-8099`: an inclusive range.
    Range(u16, u16),
}

impl ConnectRule {
    /// Whether this rule lists the name `name`, as the plugin has written it, at `port`.
    pub fn lists_name(&self, name: &str, port: u16) -> bool {
        self.host_at(port).is_some_and(|host| host.lists_name(name))
    }

    /// Whether this rule lists the address `ip`, in its canonical form, at `port`; `*` lists none.
    pub fn lists_address(&self, ip: IpAddr, port: u16) -> bool {
        self.host_at(port).is_some_and(|host| host.lists_address(ip))
    }

    /// Whether this rule is `*` at `port`.
    pub fn lists_everything(&self, port: u16) -> bool {
        self.host_at(port) == Some(&HostPattern::Any)
    }

    /// Whether this rule is exactly this address and port.
    pub fn is_exactly(&self, ip: IpAddr, port: u16) -> bool {
        let ConnectRule::Tcp { host, port: PortPattern::One(one) } = self else { return false };
        *host == HostPattern::Block(ip.into()) && *one == port
    }

    /// Whether this rule is for this machine: `localhost`, or a name below it.
    pub fn is_local(&self) -> bool {
        match self {
            ConnectRule::Tcp { host: HostPattern::Name(name), .. } => is_local(name),
            ConnectRule::Tcp { host: HostPattern::Suffix(suffix), .. } => is_local(suffix),
            _ => false,
        }
    }

    /// Whether this rule lists the Unix socket at `path`, by its text.
    pub fn matches_unix(&self, path: &str) -> bool {
        let ConnectRule::Unix(allowed) = self else { return false };
        match allowed.strip_suffix('*') {
            Some(start) => path.starts_with(start) && !goes_up(path),
            None => path == allowed,
        }
    }

    /// Whether this rule lists exactly one name, address or path.
    pub fn is_single(&self) -> bool {
        match self {
            ConnectRule::Tcp { host: HostPattern::Name(_), port: PortPattern::One(_) } => true,
            ConnectRule::Tcp { host: HostPattern::Block(block), port: PortPattern::One(_) } => {
                block.prefix_len() == block.max_prefix_len()
            }
            ConnectRule::Tcp { .. } => false,
            ConnectRule::Unix(path) => !path.ends_with('*'),
        }
    }

    /// The prefix of paths, if the rule ends with a `*`.
    pub fn unix_start(&self) -> Option<&str> {
        let ConnectRule::Unix(allowed) = self else { return None };
        allowed.strip_suffix('*')
    }

    fn host_at(&self, port: u16) -> Option<&HostPattern> {
        match self {
            ConnectRule::Tcp { host, port: ports } if ports.matches(port) => Some(host),
            _ => None,
        }
    }

    /// Parses a rule.
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
        let (host, Some(port)) = split_host_port(text) else {
            return Err(Problem::new(
                format!("{text:?} has no port"),
                format!("write \"{text}:443\", or \"{text}:*\" for every port"),
            ));
        };
        Ok(ConnectRule::Tcp { port: PortPattern::parse(port)?, host: HostPattern::parse(host)? })
    }
}

impl PortPattern {
    pub(crate) fn matches(self, port: u16) -> bool {
        match self {
            PortPattern::Any => true,
            PortPattern::One(allowed) => allowed == port,
            PortPattern::Range(first, last) => (first..=last).contains(&port),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<PortPattern, Problem> {
        if text == "*" {
            return Ok(PortPattern::Any);
        }
        let Some((first, last)) = text.split_once('-') else {
            return port(text).map(PortPattern::One);
        };
        match (port(first)?, port(last)?) {
            (first, last) if first <= last => Ok(PortPattern::Range(first, last)),
            (first, last) => Err(Problem::new(
                format!("the ports {text} are none: {first} comes after {last}"),
                format!("write \"{last}-{first}\""),
            )),
        }
    }
}

fn port(text: &str) -> Result<u16, Problem> {
    // The parser of numbers would accept a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or_else(|| {
        Problem::new(
            format!("{text:?} is not a port"),
            "write a number from 1 to 65535, two as in 8000-8099, or * for every port",
        )
    })
}

impl HostPattern {
    fn lists_name(&self, name: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Name(listed) => *listed == plain(name),
            HostPattern::Suffix(suffix) => {
                let name = plain(name);
                suffix.len() < name.len() && name.ends_with(suffix.as_str())
            }
            HostPattern::Block(_) => false,
        }
    }

    fn lists_address(&self, ip: IpAddr) -> bool {
        match self {
            HostPattern::Block(block) => block.contains(&ip),
            _ => false,
        }
    }

    fn parse(text: &str) -> Result<HostPattern, Problem> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        let bracketed = in_brackets(text);
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

/// Whether a name is always this machine's own.
pub(crate) fn is_local(name: &str) -> bool {
    let name = plain(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// The form for comparisons: lower case, without the dot of the root.
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
    // Resolvers take such a name for an address.
    let last_is_number = name.rsplit('.').next().is_some_and(|label| {
        let hexadecimal = label
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        hexadecimal || label.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !name.split('.').all(is_label) || last_is_number {
        return Err(not_a_host(text));
    }
    Ok(match plain.strip_prefix('*') {
        Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        None => HostPattern::Name(plain),
    })
}

fn block(text: &str, address: IpAddr, prefix: Option<&str>) -> Result<HostPattern, Problem> {
    let single = IpNet::from(address);
    let Some(prefix) = prefix else { return Ok(HostPattern::Block(single)) };
    let written = prefix.parse().ok().and_then(|prefix| IpNet::new(address, prefix).ok());
    let Some(block) = written else {
        return Err(Problem::new(
            format!("{text:?} is not a block of addresses"),
            format!("write a number from 0 to {} after the slash", single.max_prefix_len()),
        ));
    };
    let whole = block.trunc();
    if whole == block {
        return Ok(HostPattern::Block(block));
    }
    let first = if address.is_ipv4() { whole.to_string() } else { format!("[{whole}]") };
    Err(Problem::new(bits_beyond(text, block), format!("write {first:?} and the port")))
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

/// Whether a path contains `..`.
fn goes_up(path: &str) -> bool {
    Path::new(path).components().any(|part| part == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn rule(text: &str) -> ConnectRule {
        ConnectRule::parse(text).unwrap_or_else(|problem| panic!("{text:?}: {problem}"))
    }

    #[track_caller]
    fn check_names(text: &str, listed: &[(&str, u16)], others: &[(&str, u16)]) {
        let rule = rule(text);
        for (name, port) in listed {
            assert!(rule.lists_name(name, *port), "{text:?} lists {name} {port}");
        }
        for (name, port) in others {
            assert!(!rule.lists_name(name, *port), "{text:?} does not list {name} {port}");
        }
        assert!(!rule.matches_unix("/run/x.sock"));
        assert!(!rule.lists_address(Ipv4Addr::LOCALHOST.into(), 443));
    }

    #[test]
    fn names() {
        check_names(
            "API.example.com:443",
            &[("api.example.com", 443), ("Api.Example.COM", 443), ("api.example.com.", 443)],
            &[("api.example.com", 80), ("example.com", 443), ("x.api.example.com", 443), ("", 443)],
        );
        check_names(
            "*.example.com:443",
            &[("a.example.com", 443), ("a.b.EXAMPLE.com", 443)],
            &[("example.com", 443), (".example.com", 443), ("badexample.com", 443)],
        );
        check_names("*:25", &[("mail.example.com", 25), ("127.1", 25)], &[("x", 26)]);
        let ranges = [("a", 8000), ("a", 8050), ("a", 8099)];
        check_names("a:8000-8099", &ranges, &[("a", 7999), ("a", 8100)]);
        check_names("a:80-80", &[("a", 80)], &[("a", 81)]);
    }

    #[track_caller]
    fn check_addresses(text: &str, listed: &[&str], others: &[&str]) {
        let rule = rule(text);
        for (addresses, expected) in [(listed, true), (others, false)] {
            for address in addresses {
                let address: std::net::SocketAddr = address.parse().expect(address);
                let found = rule.lists_address(address.ip().to_canonical(), address.port());
                assert_eq!(found, expected, "{text:?} and {address}");
            }
        }
        assert!(!rule.lists_name("localhost", 80) && !rule.lists_name("127.0.0.1", 80));
        assert!(!rule.matches_unix("/run/x.sock"));
    }

    #[test]
    fn addresses() {
        check_addresses(
            "127.0.0.1:5672",
            &["127.0.0.1:5672", "[::ffff:127.0.0.1]:5672"],
            &["127.0.0.2:5672", "127.0.0.1:5673", "[::1]:5672"],
        );
        check_addresses("[::1]:*", &["[::1]:1", "[::1]:65535"], &["[::2]:1", "[::]:1"]);
        check_addresses("[::ffff:10.0.0.1]:80", &["10.0.0.1:80"], &["10.0.0.2:80"]);
        check_addresses(
            "10.0.0.0/8:*",
            &["10.0.0.0:1", "10.255.255.255:2"],
            &["11.0.0.0:1", "9.255.255.255:1", "[a00::]:1"],
        );
        check_addresses("[fd00::/8]:80", &["[fd12::1]:80"], &["[fe80::1]:80", "253.0.0.0:80"]);
        check_addresses("0.0.0.0/0:80", &["1.2.3.4:80"], &["[::1]:80"]);
        check_addresses("[::/0]:80-90", &["[::1]:85"], &["1.2.3.4:85", "[::1]:91"]);
    }

    #[test]
    fn exactly_one_address_and_port() {
        let check = |text, ip: &str, expected| {
            let ip = ip.parse().expect(ip);
            assert_eq!(rule(text).is_exactly(ip, 80), expected, "{text:?} and {ip}");
        };
        check("127.0.0.1:80", "127.0.0.1", true);
        check("[::1]:80", "::1", true);
        check("127.0.0.1:81", "127.0.0.1", false);
        check("127.0.0.1:*", "127.0.0.1", false);
        check("127.0.0.0/31:80", "127.0.0.0", false);
        check("*:80", "127.0.0.1", false);
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
            assert!(!rule.lists_name("localhost", 80) && !rule.lists_everything(80));
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
            r#"write a number from 1 to 65535, two as in 8000-8099, or * for every port"#,
        );
        for port in ["0", "+80", "65536", "", "1-", "0-5"] {
            let wrong = if port == "1-" { "" } else { port.split('-').next().unwrap_or(port) };
            check_refused(
                &format!("example.com:{port}"),
                &format!("{wrong:?} is not a port"),
                "write a number from 1 to 65535, two as in 8000-8099, or * for every port",
            );
        }
        check_refused(
            "example.com:90-80",
            "the ports 90-80 are none: 90 comes after 80",
            r#"write "80-90""#,
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
            ("127.1:80", "127.1"),
            ("0x7f000001:80", "0x7f000001"),
            ("127.0x1:80", "127.0x1"),
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
