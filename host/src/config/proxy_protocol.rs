//! `listen.proxy_protocol`: the proxies whose headers are trusted.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::ListenAddress;
use super::address_block::{self, BlockFault, bits_beyond};
use super::error::{ConfigError, Problem};
use super::limits::RawListen;
use super::source::{KeyPlace, each};

/// The entry for all peers of a Unix socket.
const UNIX: &str = "unix:";

/// The trusted proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    blocks: Vec<IpNet>,
    unix: bool,
}

/// An entry of `from`.
enum TrustedSource {
    Block(IpNet),
    Unix,
}

impl ProxyProtocol {
    /// Whether a proxy at this address is trusted.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.blocks.iter().any(|block| block.contains(&address))
    }

    /// Whether all peers of the Unix socket are trusted.
    pub fn trusts_unix(&self) -> bool {
        self.unix
    }
}

/// Resolves the key of the `[[listen]]` at `place`, whose address is `address`.
pub(super) fn resolve(
    place: &KeyPlace<'_>,
    raw: &RawListen,
    address: &ListenAddress,
) -> Result<Option<ProxyProtocol>, ConfigError> {
    let is_written = [
        ("proxy_protocol", raw.proxy_protocol.is_some()),
        ("proxy_header", raw.proxy_header.is_some()),
    ];
    if matches!(address, ListenAddress::Udp(_)) {
        place.refuse(&is_written, || {
            Problem::new(
                format!("{address} has datagrams, which begin with no header"),
                "leave it out; it is for streams",
            )
        })?;
    }
    let Some(raw) = &raw.proxy_protocol else { return Ok(None) };
    let place = place.key("proxy_protocol").key("from");
    if raw.from.is_empty() {
        return Err(place.wrong(Problem::new(
            "nobody is trusted: every connection would be reset",
            "write the addresses of the proxies, as in from = [\"10.0.0.0/8\"]",
        )));
    }
    let sources = each(&place, &raw.from, |text| source(text, address))?;
    let unix = sources.iter().any(|source| matches!(source, TrustedSource::Unix));
    let blocks = sources.into_iter().filter_map(|source| match source {
        TrustedSource::Block(block) => Some(block),
        TrustedSource::Unix => None,
    });
    Ok(Some(ProxyProtocol { blocks: blocks.collect(), unix }))
}

/// Parses an entry for a listener at `address`.
fn source(text: &str, address: &ListenAddress) -> Result<TrustedSource, Problem> {
    let is_unix = matches!(address, ListenAddress::Unix(_));
    if text == UNIX {
        let has_none = matches!(address, ListenAddress::Tcp(_) | ListenAddress::Tls(_));
        if has_none {
            let cause = format!("{address} has no peers of a Unix socket");
            return Err(Problem::new(cause, "write the addresses of the proxies"));
        }
        return Ok(TrustedSource::Unix);
    }
    if is_unix {
        return Err(Problem::new(
            "whoever connects to a Unix socket has no address",
            format!("write {UNIX:?} for whoever may connect, and say with mode who may"),
        ));
    }
    block(text).map(TrustedSource::Block)
}

fn block(text: &str) -> Result<IpNet, Problem> {
    address_block::parse(text).map_err(|fault| match fault {
        BlockFault::NoAddress => Problem::new(
            format!("{text:?} is not an address or a block of addresses"),
            r#"write one as in "192.0.2.7", "10.0.0.0/8" or "2001:db8::/32""#,
        ),
        BlockFault::BitsBeyond(block) => {
            Problem::new(bits_beyond(text, block), format!("write \"{}\"", block.trunc()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusting(texts: &[&str]) -> ProxyProtocol {
        let blocks = texts.iter().map(|text| block(text).expect(text)).collect();
        ProxyProtocol { blocks, unix: false }
    }

    #[test]
    fn blocks_and_addresses() {
        let proxies = trusting(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]);
        for (address, trusted) in [
            ("10.255.0.1", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:11.0.0.1", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::1", true),
            ("127.0.0.1", false),
        ] {
            assert_eq!(proxies.trusts(address.parse().expect(address)), trusted, "{address}");
        }
        assert!(trusting(&["0.0.0.0/0"]).trusts([1, 2, 3, 4].into()));
        assert!(!trusting(&["0.0.0.0/0"]).trusts("::1".parse().expect("an address")));
    }

    #[test]
    fn what_is_no_block() {
        for text in ["", "*", "10.0.0.0/33", "[::1]", "proxy.example", "10.0.0.0/8:80", "10.1/8"] {
            let problem = block(text).expect_err(text);
            assert!(problem.cause.contains("is not an address"), "{text}: {}", problem.cause);
        }
        let problem = block("10.0.0.1/8").expect_err("bits behind the prefix");
        assert_eq!(problem.remedy, "write \"10.0.0.0/8\"");
    }
}
