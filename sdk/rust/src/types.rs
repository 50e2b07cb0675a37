//! The vocabulary that the other modules share.

use std::{fmt, str::FromStr};

#[doc(inline)]
pub use crate::bindings::sandloop::plugin::types::{Address, CloseReason, Endpoint, ErrorCode};

impl Address {
    /// A TCP address; `host` is a name or an IP address, without brackets.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Address::Tcp(Endpoint { host: host.into(), port })
    }

    /// A Unix stream socket's path.
    pub fn unix(path: impl Into<String>) -> Self {
        Address::Unix(path.into())
    }
}

/// As `plugins.toml` writes addresses: `tcp://127.0.0.1:10000`, `tcp://[::1]:10000`, `unix:///run/a.sock`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(Endpoint { host, port }) if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Address::Tcp(Endpoint { host, port }) => write!(f, "tcp://{host}:{port}"),
            Address::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

/// Reads what `Display` writes.
impl FromStr for Address {
    type Err = ErrorCode;

    fn from_str(text: &str) -> Result<Self, ErrorCode> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Address::unix(path));
        }
        let (host, port) = text
            .strip_prefix("tcp://")
            .and_then(|rest| rest.rsplit_once(':'))
            .ok_or(ErrorCode::InvalidArgument)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().map_err(|_| ErrorCode::InvalidArgument)?;
        Ok(Address::tcp(bare, port))
    }
}

/// As the contract writes it: `peer-closed`, `connect-timeout`, …
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::PeerClosed => "peer-closed",
            CloseReason::Closed => "closed",
            CloseReason::Stopped => "stopped",
            CloseReason::Refused => "refused",
            CloseReason::ConnectTimeout => "connect-timeout",
            CloseReason::NameNotFound => "name-not-found",
            CloseReason::Unreachable => "unreachable",
            CloseReason::InactivityTimeout => "inactivity-timeout",
            CloseReason::Reset => "reset",
            CloseReason::Limit => "limit",
            CloseReason::Failed => "failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let check = |text: &str, address: Address| {
            assert_eq!(text.parse(), Ok(address.clone()));
            assert_eq!(address.to_string(), text);
        };
        check("tcp://127.0.0.1:10000", Address::tcp("127.0.0.1", 10000));
        check("tcp://example.com:80", Address::tcp("example.com", 80));
        check("tcp://[::1]:80", Address::tcp("::1", 80));
        check("unix:///run/a.sock", Address::unix("/run/a.sock"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "127.0.0.1:80", "tcp://127.0.0.1", "tcp://127.0.0.1:65536", "udp://a:1"] {
            assert_eq!(text.parse::<Address>(), Err(ErrorCode::InvalidArgument), "{text}");
        }
    }
}
