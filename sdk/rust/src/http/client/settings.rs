//! The settings of a client: its limits, timeouts and proxy.

use std::time::Duration;

use sandloop_http::{Limits, auth};

/// What all requests of an [`HttpClient`](super::HttpClient) share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a request may make no progress: the server sends nothing and reads nothing.
    pub inactivity_timeout: Duration,
    /// How long a connection without a request is kept for the next one.
    pub keep_alive: Duration,
    /// The most connections to one server. Further requests wait.
    pub connections: usize,
    /// Requests on one connection that are not answered yet, where more than one is under way to a server that
    /// has its connections. Only requests that may be repeated go behind another one.
    pub pipeline: usize,
    /// Requests that wait for a connection. At it: [`HttpError::Busy`](super::HttpError::Busy).
    pub queue: usize,
    /// How large heads may be.
    pub limits: Limits,
    /// `User-Agent`, unless a request has its own; none if it is empty.
    pub user_agent: String,
    /// A proxy for every request.
    pub proxy: Option<Proxy>,
    /// The operator's profile for `https:`, with the authorities that servers are verified by and perhaps a certificate to show:
    /// `[plugins.NAME.tls.PROFILE]`. Without one servers are verified by the system's authorities.
    pub tls_profile: Option<String>,
    /// Whether cookies are kept from one request for the next. Within the redirects of one request they always are.
    pub cookies: bool,
}

impl Default for ClientSettings {
    /// em-http-request's 5 seconds to connect and 10 without a byte; 10 seconds kept; 6 connections to a server, one
    /// request on each; 1000 waiting; no proxy; no cookies.
    fn default() -> ClientSettings {
        ClientSettings {
            connect_timeout: Duration::from_secs(5),
            inactivity_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(10),
            connections: 6,
            pipeline: 1,
            queue: 1000,
            limits: Limits::CLIENT,
            user_agent: concat!("Sandloop/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            tls_profile: None,
            cookies: false,
        }
    }
}

/// An HTTP proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// Its name or IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<String>,
    /// Uses `CONNECT` for a tunnel to each server, also for `http:`.
    pub tunnel: bool,
}

impl Proxy {
    /// A proxy that gets every request.
    pub fn new(host: impl Into<String>, port: u16) -> Proxy {
        Proxy { host: host.into(), port, authorization: None, tunnel: false }
    }

    /// With user and password.
    #[must_use]
    pub fn basic_auth(self, user: &str, password: &str) -> Proxy {
        Proxy { authorization: Some(auth::basic(user, password)), ..self }
    }

    /// With a tunnel to each server.
    #[must_use]
    pub fn tunnel(self) -> Proxy {
        Proxy { tunnel: true, ..self }
    }
}
