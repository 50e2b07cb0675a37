//! Access control of the admin listener: the `Host` header, the origin of the request, the token.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;

use crate::base::host_port::{in_brackets, split_host_port};
use crate::config::address::ListenAddress;
use crate::config::admin::AdminConfig;
use crate::run::admin::reply::Refusal;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteAccess {
    /// Every client: the route tells nothing about the plugins.
    Anybody,
    /// Every client, unless the listener is public: then those with the token.
    Reader,
    /// Clients that may open the Unix socket, or have the token: the route changes something.
    Operator,
}

impl RouteAccess {
    /// Its name in the documentation.
    pub(super) fn name(self) -> &'static str {
        match self {
            RouteAccess::Anybody => "anybody",
            RouteAccess::Reader => "reader",
            RouteAccess::Operator => "operator",
        }
    }
}

/// The access control of the listener.
#[derive(Debug)]
pub(super) struct Guard {
    /// The address for TCP; none for a Unix socket.
    tcp: Option<SocketAddr>,
    config: AdminConfig,
}

impl Guard {
    /// For a listener at this address.
    pub(super) fn new(address: &ListenAddress, config: AdminConfig) -> Guard {
        let tcp = match address {
            ListenAddress::Tcp(address) => Some(*address),
            _ => None,
        };
        Guard { tcp, config }
    }

    /// Whether a request with this head may use a route. What it says of whom it is meant for, where it comes from and who sends it
    /// counts only where it says one thing.
    pub(super) fn admit(&self, head: &Parts, access: RouteAccess) -> Result<(), Refusal> {
        let headers = &head.headers;
        let host = only(headers, &HOST)?;
        // A target may name a host as well, and proxies go by that.
        if head.uri.authority().is_some_and(|target| host != Some(target.as_str())) {
            return Err(Refusal::NoHost);
        }
        if self.tcp.is_some() && !self.is_meant(host.ok_or(Refusal::NoHost)?) {
            // DNS rebinding: a foreign name that resolves to this host.
            return Err(Refusal::WrongHost);
        }
        self.check_origin(headers, host, access)?;
        let needs_token = match (self.tcp, access) {
            (None, _) | (_, RouteAccess::Anybody) => false,
            (Some(at), RouteAccess::Reader) => !at.ip().is_loopback(),
            (Some(_), RouteAccess::Operator) => true,
        };
        if !needs_token {
            return Ok(());
        }
        let token = self.config.token.as_ref().ok_or(Refusal::NoToken)?;
        let shown = only(headers, &AUTHORIZATION).map_err(|_| Refusal::Token)?;
        let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
        let is_right = shown.is_some_and(|shown| token.is(shown.trim()));
        if is_right { Ok(()) } else { Err(Refusal::Token) }
    }

    /// Whether the `Host` of a request is this one.
    fn is_meant(&self, host: &str) -> bool {
        let Some(own) = self.tcp else { return true };
        let (name, port) = split_host_port(host);
        if self.config.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return true;
        }
        let ip = in_brackets(name).unwrap_or(name).parse::<IpAddr>();
        let is_here = match ip {
            // A literal address cannot be rebound.
            Ok(ip) => own.ip() == ip || own.ip().is_unspecified(),
            Err(_) => own.ip().is_loopback() && name.eq_ignore_ascii_case("localhost"),
        };
        is_here && port.unwrap_or("80") == own.port().to_string()
    }

    /// Checks the site of a request, which browsers send and pages cannot forge.
    fn check_origin(
        &self,
        headers: &HeaderMap,
        host: Option<&str>,
        access: RouteAccess,
    ) -> Result<(), Refusal> {
        let origin = only(headers, &ORIGIN)?;
        let is_foreign = origin.is_some_and(|origin| {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_none() || authority != host
        });
        let fetched = headers.get_all("sec-fetch-site").iter().map(HeaderValue::as_bytes);
        let is_crossing = |site: &[u8]| {
            site.eq_ignore_ascii_case(b"cross-site") || site.eq_ignore_ascii_case(b"same-site")
        };
        let is_crossing = { fetched }.any(is_crossing);
        if is_foreign || is_crossing && access == RouteAccess::Operator {
            return Err(Refusal::WrongOrigin);
        }
        Ok(())
    }
}

/// The value of a header that may occur once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::NoHost);
    }
    first.map(|value| value.to_str().map_err(|_| Refusal::NoHost)).transpose()
}
