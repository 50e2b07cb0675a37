//! What the TLS of a connection begins with, and what is kept of it beside the session and after it.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use crate::contract::bindings::{HandshakeFailure, StreamEnd, TlsSession};
use crate::net::connection::tls::Judgement;
use crate::quota::budget::Reservation;

/// What a session begins with.
#[derive(Debug)]
pub struct TlsStart {
    /// Which side it is.
    pub side: TlsSide,
    /// The name that a client asks for, as its plugin wrote it.
    pub asked_for: Option<String>,
    /// Whether somebody else judges the peer's certificate.
    pub judgement: Judgement,
    /// Counts it for its tenant.
    pub kept: Reservation,
}

/// A side of a session.
#[derive(Debug)]
pub enum TlsSide {
    /// The one that begins, and the name that the other has to have.
    Client(Arc<ClientConfig>, ServerName<'static>),
    /// The one that waits.
    Server(Arc<ServerConfig>),
}

/// What a connection keeps of its TLS beside the session, and after it.
#[derive(Debug)]
pub struct TlsRecord {
    /// What it begins with, until it does.
    pub(super) start: Option<TlsStart>,
    /// Counts it for its tenant, where its listener does not.
    pub(super) _kept: Option<Reservation>,
    pub(super) asked_for: Option<String>,
    /// Its handshake has begun and the reactor has not seen it.
    pub(super) is_new: bool,
    /// What was agreed on.
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
