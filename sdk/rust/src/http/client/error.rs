//! Why a request of a client failed.

use std::fmt;

use sandloop_http::{
    FieldError, ResponseError, StatusCode, coding::CodingError, uri::UriError, writer::LengthError,
};

use crate::{
    tls::HandshakeFailure,
    types::{CloseReason, ErrorCode},
};

/// Why there is no response, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The address is not a URI.
    Uri(UriError),
    /// The server's certificate was not taken, or the TLS handshake failed otherwise: nothing of the request was sent.
    Tls(HandshakeFailure),
    /// TLS cannot begin: `denied` unless the operator has the profile, `invalid-argument` for a name that no certificate has.
    TlsRefused(ErrorCode),
    /// A header field cannot be sent.
    Field(FieldError),
    /// The host refused to connect: `denied` unless the operator's `allow.connect` names the address, `limit`.
    Refused(ErrorCode),
    /// The connection was not made.
    Connect(CloseReason),
    /// The server, or the proxy, said nothing for the inactivity timeout, or the deadline passed.
    Timeout,
    /// The connection ended inside the response, or before it.
    Truncated(CloseReason),
    /// The server did not send an HTTP response.
    Response(ResponseError),
    /// The response's body cannot be decompressed.
    Coding(CodingError),
    /// The response's body is larger than the request allows.
    TooLarge,
    /// More redirects than the request allows, or a loop.
    Redirects,
    /// A redirect to something that is not a URI.
    Location(UriError),
    /// A redirect needs the body again, which was streamed.
    Replay,
    /// The proxy refused the tunnel.
    Proxy(StatusCode),
    /// The proxy sent more than its answer before the server was asked anything.
    Unasked,
    /// The server switched to another protocol without being asked.
    Upgraded,
    /// The request's body does not have the announced length.
    Body(LengthError),
    /// The request's body was dropped before its end.
    BodyDropped,
    /// The queue of requests that wait for a connection is full.
    Busy,
    /// The plugin has aborted the request.
    Aborted,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Uri(error) => error.fmt(f),
            HttpError::Tls(failure) => write!(f, "no TLS with the server: {}", failure.words),
            HttpError::TlsRefused(error) => write!(f, "the host begins no TLS: {}", error.name()),
            HttpError::Field(error) => error.fmt(f),
            HttpError::Refused(ErrorCode::Denied) => {
                f.write_str("the host may not connect there; its log has the line that would allow it")
            }
            HttpError::Refused(error) => write!(f, "the host does not connect: {}", error.name()),
            HttpError::Connect(reason) => write!(f, "no connection to the server: {reason}"),
            HttpError::Timeout => f.write_str("the server did not answer in time"),
            HttpError::Truncated(reason) => {
                write!(f, "the connection ended before the response did: {reason}")
            }
            HttpError::Response(error) => error.fmt(f),
            HttpError::Coding(error) => error.fmt(f),
            HttpError::TooLarge => f.write_str(
                "the response's body is larger than the request allows: raise its limit or stream it",
            ),
            HttpError::Redirects => f.write_str("more redirects than the request allows"),
            HttpError::Location(error) => write!(f, "a redirect to nowhere: {error}"),
            HttpError::Replay => {
                f.write_str("a redirect asks for the body again, and a streamed body is there once")
            }
            HttpError::Proxy(status) => write!(f, "the proxy makes no tunnel: {status}"),
            HttpError::Unasked => {
                f.write_str("the proxy makes a tunnel, and sends what nobody has asked for through it")
            }
            HttpError::Upgraded => {
                f.write_str("the server switches to another protocol, and was not asked to")
            }
            HttpError::Body(error) => write!(f, "the request: {error}"),
            HttpError::BodyDropped => f.write_str("the request's body was dropped before its end"),
            HttpError::Busy => f.write_str("too many requests wait for a connection: send fewer at once"),
            HttpError::Aborted => f.write_str("the request was given up"),
        }
    }
}

impl std::error::Error for HttpError {}
