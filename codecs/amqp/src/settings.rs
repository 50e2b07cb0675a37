//! The settings of a session: the broker's address, credentials, and every limit.

use std::{fmt, time::Duration};

/// The settings of a session. The defaults are those of the Ruby client `amqp` and of RabbitMQ.
///
/// ```
/// use sandloop_amqp::Settings;
///
/// let settings = Settings::from_uri("amqp://metrics:password@rei-lab/%2Fattention")?;
/// assert_eq!((settings.host.as_str(), settings.port), ("rei-lab", 5672));
/// assert_eq!(settings.vhost, "/attention");
/// # Ok::<(), sandloop_amqp::uri::UriError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The broker's name or IP address. 127.0.0.1.
    pub host: String,
    /// Its port. 5672, with TLS 5671.
    pub port: u16,
    /// Whether to use TLS. No. The broker's certificate must be for [`host`](Self::host).
    pub tls: bool,
    /// The TLS profile with the authorities that verify the broker and the client's certificate, which the user of these
    /// settings resolves. Without one: the system's authorities, and no certificate.
    pub tls_profile: Option<String>,
    /// The virtual host. `/`.
    pub vhost: String,
    /// How the client authenticates. `guest` with the password `guest`.
    pub credentials: Credentials,
    /// The name of the connection for the broker's operator (`connection_name`). None.
    pub name: Option<String>,
    /// The heartbeat interval in seconds: after two intervals of silence a connection counts as lost. The broker may lower it.
    /// 0: no heartbeats. 60, as in RabbitMQ.
    pub heartbeat: u16,
    /// Bytes of the largest frame; the broker may lower it. 128 KiB. Values below 4 KiB count as that.
    pub frame_max: u32,
    /// The most channels; the broker may lower it. 0: as many as AMQP has numbers. 2047.
    pub channel_max: u16,
    /// The time limit of connecting, and of the handshake after it. 20 s.
    pub connection_timeout: Duration,
    /// Bytes of the largest message that is accepted. A larger one is rejected: see
    /// [`Unreadable`](crate::Unreadable). 16 MiB.
    pub message_max: u64,
    /// The most bytes of messages that wait to be sent or, with [`Unconfirmed::Resend`], to be confirmed. 4 MiB.
    pub buffer: usize,
    /// The most requests that wait to be sent. 10,000.
    pub requests: usize,
    /// The most unconfirmed messages of a channel; further ones wait. 10,000.
    pub unconfirmed_max: usize,
    /// What happens to unconfirmed messages when a connection is lost.
    pub unconfirmed: Unconfirmed,
    /// Whether to reconnect after a connection is lost or cannot be made. Yes. This includes connections that the broker has
    /// closed or in which it has violated the protocol, unless the error would recur: the broker does not know the user or
    /// the virtual host at the first connection, speaks another version of AMQP, or was sent a request that no broker supports
    /// (503, 540).
    pub recovery: bool,
    /// The first wait before reconnecting; it doubles each time. An open connection resets it, unless the broker closes it, or
    /// violates the protocol, within [`backoff_max`](Self::backoff_max). 500 ms.
    pub backoff: Duration,
    /// The longest wait. 30 s.
    pub backoff_max: Duration,
}

/// What happens to unconfirmed messages when the connection is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unconfirmed {
    /// They are sent again, in order, before newer ones. The broker may have received them: a consumer may get one
    /// twice.
    #[default]
    Resend,
    /// They fail, and the plugin decides what to do.
    Report,
}

/// How the client authenticates.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password (`PLAIN`).
    Plain {
        /// The name.
        user: String,
        /// The password. It is never printed.
        password: String,
    },
    /// By the connection itself, such as by a certificate (`EXTERNAL`).
    External,
}

impl Credentials {
    /// A name and a password.
    pub fn plain(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials::Plain { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Plain { user, .. } => {
                f.debug_struct("Plain").field("user", user).finish_non_exhaustive()
            }
            Credentials::External => f.write_str("External"),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            host: "127.0.0.1".to_owned(),
            port: PORT,
            tls: false,
            tls_profile: None,
            vhost: "/".to_owned(),
            credentials: Credentials::plain("guest", "guest"),
            name: None,
            heartbeat: 60,
            frame_max: 128 * 1024,
            channel_max: 2047,
            connection_timeout: Duration::from_secs(20),
            message_max: 16 * 1024 * 1024,
            buffer: 4 * 1024 * 1024,
            requests: 10_000,
            unconfirmed_max: 10_000,
            unconfirmed: Unconfirmed::default(),
            recovery: true,
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
        }
    }
}

/// The port without TLS.
pub const PORT: u16 = 5672;
/// The port with TLS.
pub const TLS_PORT: u16 = 5671;
/// The least that the specification allows for `frame_max`.
pub const FRAME_MIN: u32 = 4096;
