//! The limits and timeouts of a server.

use std::time::Duration;

use sandloop_http::Limits;

/// Every limit of an [`HttpServer`](super::HttpServer)'s connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The sizes of requests. Each limit has its own status: 400, 413, 414, 431.
    pub limits: Limits,
    /// From a head's first byte to its last. After it: 408.
    pub head_timeout: Duration,
    /// From one byte of a body to the next. After it: 408.
    pub body_timeout: Duration,
    /// How long there may be no request, and no byte of an answer read by the client. After it the connection closes.
    pub idle_timeout: Duration,
    /// Unanswered requests of one connection. At the limit the client is not read from.
    pub pipeline: usize,
    /// How long a client has after the connection's last answer to end its side, while what it still sends is read and
    /// forgotten: a close would be a reset, which takes along what the client has not read. It begins when everything was
    /// sent; before that the idle timeout counts. Zero: the connection closes at once.
    pub linger: Duration,
    /// Whether answers have a [`Date`](https://www.rfc-editor.org/rfc/rfc9110#name-date).
    pub date: bool,
}

impl Settings {
    /// For a server on a public network: see the fields of [`Limits::SERVER`]; 10 seconds for a head, 30
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
