//! How much and how long.

use std::time::Duration;

use super::Deflate;

/// How much and how long a WebSocket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// Bytes of a message, decompressed. At it: close code 1009.
    pub message: usize,
    /// A peer that says nothing is pinged this often; one that has not answered by the next time is gone.
    pub ping: Duration,
    /// How long the peer may take to answer a close.
    pub close: Duration,
    /// How long connecting and the handshake may take together, where this side asks.
    pub connect: Duration,
    /// Whether and how messages are compressed (permessage-deflate), if the peer can do it. It saves bytes and costs time
    /// and memory, for each WebSocket.
    pub deflate: Option<Deflate>,
    /// Where this side asks for `wss:`: the operator's profile with the authorities, `[plugins.NAME.tls.PROFILE]`. Without one
    /// servers are verified by the system's authorities.
    pub tls_profile: Option<&'static str>,
}

impl Default for WebSocketSettings {
    /// 1 MiB, 30 seconds, 5 seconds, 20 seconds, no compression.
    fn default() -> WebSocketSettings {
        WebSocketSettings {
            message: 1024 * 1024,
            ping: Duration::from_secs(30),
            close: Duration::from_secs(5),
            connect: Duration::from_secs(20),
            deflate: None,
            tls_profile: None,
        }
    }
}
