//! Errors, one variant for each reaction of a caller.

use thiserror::Error;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The broker closed the channel. All its other requests fail with the same.
    #[error("the broker closed the channel: {0}")]
    Channel(Close),
    /// The broker closed the connection.
    #[error("the broker closed the connection: {0}")]
    Connection(Close),
    /// The broker broke the protocol, and the connection was closed with this code; for good without
    /// [recovery](crate::Settings::recovery), or where another connection would not help. Or the message that was asked
    /// for cannot be read (502), or is too large (311): see [`Unreadable`](crate::Unreadable); the connection goes on.
    #[error("the broker broke the protocol: {0}")]
    Protocol(Close),
    /// The broker rejected the credentials, or does not offer the mechanism.
    #[error("the broker does not let this user in: {0}")]
    Authentication(String),
    /// The connection was lost before the answer, which can no longer come: the request may or may not have been done.
    #[error("the connection to the broker was lost: {0}")]
    Lost(String),
    /// The channel or the connection was closed by the plugin.
    #[error("the channel is closed")]
    Closed,
    /// The broker did not take the message (`basic.nack`).
    #[error("the broker did not take the message")]
    Nacked,
    /// The request was refused before it was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Failure {
    /// The broker's reply code and text, if it gave any.
    #[must_use]
    pub fn reply(&self) -> Option<&Close> {
        match self {
            Failure::Channel(close) | Failure::Connection(close) | Failure::Protocol(close) => {
                Some(close)
            }
            _ => None,
        }
    }
}

/// Why a request was refused before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A name or a property is longer than the 255 bytes that AMQP allows.
    #[error("{0} is longer than 255 bytes")]
    TooLong(&'static str),
    /// Tables or headers do not fit into one frame.
    #[error("the arguments or headers do not fit into a frame of {0} bytes")]
    FrameTooSmall(u32),
    /// As much waits to be sent as the settings allow. Try again when there is room.
    #[error("more waits to be sent than `buffer` or `requests` of the settings allow")]
    Full,
    /// The limit of channels is reached.
    #[error("the broker allows {0} channels")]
    Channels(u16),
    /// The queue has no name yet: its declaration has failed.
    #[error("the queue has no name: it was not declared")]
    Unnamed,
    /// Confirms and transactions exclude each other on a channel.
    #[error("a channel has either confirms or transactions")]
    ConfirmsAndTransactions,
}

/// A reply code with its text, and the method that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The reply code, such as 404.
    pub code: u16,
    /// Its text, such as `NOT_FOUND - no queue 'a' in vhost '/'`.
    pub text: String,
    /// The class of the method that caused it, or 0.
    pub class: u16,
    /// The method that caused it, or 0.
    pub method: u16,
}

impl std::fmt::Display for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// A violation of the protocol by the broker. It ends the connection; another one may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub code: u16,
    pub text: String,
    /// A new connection would come to the same end.
    pub is_final: bool,
}

impl Violation {
    /// Bytes that are no frame (501).
    pub(crate) fn frame(text: impl Into<String>) -> Violation {
        Violation::new(501, text)
    }

    /// A frame whose content cannot be read (502).
    pub(crate) fn syntax(text: impl Into<String>) -> Violation {
        Violation::new(502, text)
    }

    /// A method that is not allowed now (503).
    pub(crate) fn command(text: impl Into<String>) -> Violation {
        Violation::new(503, text)
    }

    /// A channel that is not open (504).
    pub(crate) fn channel(text: impl Into<String>) -> Violation {
        Violation::new(504, text)
    }

    /// A frame of another kind than the expected one (505).
    pub(crate) fn unexpected(text: impl Into<String>) -> Violation {
        Violation::new(505, text)
    }

    /// The same at every connection: another one would not help.
    pub(crate) fn for_good(self) -> Violation {
        Violation { is_final: true, ..self }
    }

    fn new(code: u16, text: impl Into<String>) -> Violation {
        Violation { code, text: text.into(), is_final: false }
    }
}
