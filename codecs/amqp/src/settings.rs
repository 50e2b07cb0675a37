//! Where to connect to, as whom, and every bound of a session.

use std::{fmt, time::Duration};

/// What a session is made from. The defaults are those of the Ruby client `amqp`, and RabbitMQ's.
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
    /// Whose authorities verify the broker, and with which certificate it is asked: a name that the user of these settings
    /// gives a meaning. Without one it is the system's authorities, and no certificate.
    pub tls_profile: Option<String>,
    /// The virtual host. `/`.
    pub vhost: String,
    /// How the broker knows the user. `guest` with the password `guest`.
    pub credentials: Credentials,
    /// What the broker's operator sees this connection called (`connection_name`). Nothing.
    pub name: Option<String>,
    /// Seconds without a word after which a connection counts as lost, twice; the broker may say less. 0: never.
    /// 60, as RabbitMQ has it.
    pub heartbeat: u16,
    /// Bytes of the largest frame; the broker may say less. 128 KiB. Less than 4 KiB counts as that.
    pub frame_max: u32,
    /// Channels at once; the broker may say less. 0: as many as AMQP has numbers for. 2047.
    pub channel_max: u16,
    /// How long connecting may take, and after it the handshake. 20 s.
    pub connection_timeout: Duration,
    /// Bytes of the largest message that is taken. A larger one is rejected: see
    /// [`Unreadable`](crate::Unreadable). 16 MiB.
    pub message_max: u64,
    /// Bytes of messages that may wait: to be sent, and, with [`Unconfirmed::Resend`], to be confirmed. 4 MiB.
    pub buffer: usize,
    /// Things asked for that may wait to be sent. 10,000.
    pub requests: usize,
    /// Messages that may be unconfirmed on a channel; further ones wait. 10,000.
    pub unconfirmed_max: usize,
    /// What becomes of messages that were not confirmed when a connection is lost.
    pub unconfirmed: Unconfirmed,
    /// Whether a connection that is lost, or cannot be made, is made again. Yes. It is also made again where the broker
    /// closed it or broke the protocol, unless that would come again: because the broker does not know the user or the
    /// virtual host at the first connection, speaks another version of AMQP, or was asked for what no broker does (503,
    /// 540).
    pub recovery: bool,
    /// How long to wait before that, at first; each time twice as long. A connection that has opened is the end of
    /// that, unless the broker closes it, or breaks the protocol, within [`backoff_max`](Self::backoff_max). 500 ms.
    pub backoff: Duration,
    /// How long at most. 30 s.
    pub backoff_max: Duration,
}

/// What becomes of messages that were published, but not confirmed, when the connection is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unconfirmed {
    /// They are sent again, in their order, before newer ones. The broker may have had them: a consumer may see one
    /// twice.
    #[default]
    Resend,
    /// They fail, and the plugin decides.
    Report,
}

/// How the broker knows the user.
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
