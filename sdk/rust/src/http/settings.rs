//! How much and how long a server takes.

use std::time::Duration;

use sandloop_http::Limits;

/// Every bound of an [`HttpServer`](super::HttpServer)'s connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How large requests may be. At each its own status: 400, 413, 414, 431.
    pub limits: Limits,
    /// From a head's first byte to its last. At it: 408.
    pub head_timeout: Duration,
    /// From one byte of a body to the next. At it: 408.
    pub body_timeout: Duration,
    /// Without a request, and without a byte of an answer read by the client. At it the connection closes.
    pub idle_timeout: Duration,
    /// Requests of one connection that are not answered yet. At it the client is not read from.
    pub pipeline: usize,
    /// How long a client that was refused may go on sending, so that it reads the refusal and not a reset.
    pub linger: Duration,
    /// Whether answers say the [`Date`](https://www.rfc-editor.org/rfc/rfc9110#name-date).
    pub date: bool,
}

impl Settings {
    /// What suits a server that faces strangers: see the fields of [`Limits::SERVER`]; 10 seconds for a head, 30
    /// for a byte of a body, 60 idle; 16 requests; 2 seconds to linger.
    pub const DEFAULT: Settings = Settings {
        limits: Limits::SERVER,
        head_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(60),
        pipeline: 16,
        linger: Duration::from_secs(2),
        date: true,
    };
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::DEFAULT
    }
}
