//! The configuration with which a session begins, and the TLS state that a connection keeps after the session.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use crate::contract::bindings::{HandshakeFailure, StreamEnd, TlsSession};
use crate::net::connection::tls::PeerVerification;
use crate::quota::budget::Reservation;

/// The configuration of a session that has not begun.
#[derive(Debug)]
pub struct TlsStart {
    pub side: TlsSide,
    /// The server name of a client, as its plugin wrote it.
    pub asked_for: Option<String>,
    /// Whether the plugin verifies the peer's certificate.
    pub verification: PeerVerification,
    /// Host memory of its tenant.
    pub kept: Reservation,
}

/// The side of a session, with its configuration.
#[derive(Debug)]
pub enum TlsSide {
    /// The client, and the server name to verify.
    Client(Arc<ClientConfig>, ServerName<'static>),
    /// The server.
    Server(Arc<ServerConfig>),
}

/// The TLS state of a connection besides the session, kept after its end.
#[derive(Debug)]
pub(crate) struct TlsRecord {
    /// The configuration, until the handshake begins.
    pub(super) start: Option<TlsStart>,
    /// Host memory of its tenant, for sessions that a plugin has begun.
    pub(super) _kept: Option<Reservation>,
    pub(super) asked_for: Option<String>,
    /// Whether the handshake has begun and the reactor has not noticed yet.
    pub(super) is_new: bool,
    /// The negotiated parameters.
    pub(super) session: Option<TlsSession>,
    pub(super) failure: Option<HandshakeFailure>,
    pub(super) end: StreamEnd,
}

impl TlsRecord {
    pub(super) fn new() -> TlsRecord {
        TlsRecord {
            start: None,
            _kept: None,
            asked_for: None,
            is_new: false,
            session: None,
            failure: None,
            end: StreamEnd::None,
        }
    }
}
