//! TLS on a connection that has begun without it (STARTTLS), and queries about its session.

use rustls::{ClientConnection, ServerConnection};

use crate::clock::Moment;
use crate::contract::bindings::{FailureKind, HandshakeFailure, StreamEnd, TlsSession};
use crate::net::connection::stream::Stream;
use crate::net::connection::tls::TlsStream;
use crate::net::connection::tls::agreed::agreed;
use crate::net::connection::tls::failure::failure;
use crate::net::connection::tls_record::{TlsRecord, TlsSide, TlsStart};
use crate::net::connection::{CloseReason, Connection, Phase, SendError};

/// Why TLS cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTlsError {
    /// The connection is over or its write side is ending.
    NotSendable(SendError),
    /// It has TLS already, a file is queued, or it carries datagrams.
    Unsupported,
}

impl Connection {
    /// Checks whether TLS can begin.
    ///
    /// # Errors
    /// See [`StartTlsError`].
    pub fn may_start_tls(&self) -> Result<(), StartTlsError> {
        self.check_sendable().map_err(StartTlsError::NotSendable)?;
        let has_other = !matches!(
            self.stream,
            None | Some(Stream::Tcp(_) | Stream::Unix(_) | Stream::StandIn(_))
        );
        // A queued file would be sent after the handshake instead of before it.
        let may = !has_other && self.tls.is_none() && !self.has_files();
        if may { Ok(()) } else { Err(StartTlsError::Unsupported) }
    }

    /// Begins TLS as soon as the connection is established and all bytes sent before are written.
    ///
    /// # Errors
    /// Those of [`Connection::may_start_tls`].
    pub fn start_tls(&mut self, start: TlsStart) -> Result<(), StartTlsError> {
        self.may_start_tls()?;
        self.plain_left = self.outbox.len();
        self.tls = Some(Box::new(TlsRecord { start: Some(start), ..TlsRecord::new() }));
        if self.phase == Phase::Open {
            self.begin_tls();
        }
        Ok(())
    }

    /// Begins the requested handshake; true if one was requested.
    pub(super) fn begin_tls(&mut self) -> bool {
        let Some(record) = &mut self.tls else { return false };
        let Some(TlsStart { side, asked_for, verification, kept }) = record.start.take() else {
            return false;
        };
        (record.asked_for, record._kept) = (asked_for, Some(kept));
        let session = match side {
            TlsSide::Client(config, name) => ClientConnection::new(config, name).map(Into::into),
            TlsSide::Server(config) => ServerConnection::new(config).map(Into::into),
        };
        match (session, self.stream.take()) {
            (Ok(session), Some(stream)) => {
                record.is_new = true;
                let stream = TlsStream::begin(stream, session, verification);
                self.stream = Some(Stream::Tls(Box::new(stream)));
                self.phase = Phase::Handshaking;
            }
            (Err(error), stream) => {
                tracing::debug!(connection = self.number, %error, "TLS cannot begin");
                self.stream = stream;
                self.end(CloseReason::Failed);
            }
            (Ok(_), None) => self.end(CloseReason::Failed),
        }
        true
    }

    /// True once after its handshake has begun.
    pub fn take_new_handshake(&mut self) -> bool {
        self.tls.as_mut().is_some_and(|record| std::mem::take(&mut record.is_new))
    }

    /// Whether unencrypted bytes from before TLS are queued.
    pub(super) fn has_plain_left(&self) -> bool {
        0 < self.plain_left && matches!(self.stream, Some(Stream::Tls(_)))
    }

    /// Writes up to `at_most` of those bytes; true if the socket might accept more.
    pub(super) fn flush_plain(&mut self, now: Moment, at_most: usize) -> bool {
        let rate = self.writable(now);
        let may = rate.min(at_most).min(self.plain_left);
        let Some(stream) = self.stream.as_mut().and_then(Stream::tls) else { return false };
        let before = self.outbox.len();
        let flushed = self.outbox.flush(may, |pieces| stream.socket_mut().write_vectored(pieces));
        let written = before - self.outbox.len();
        self.plain_left -= written.min(self.plain_left);
        self.is_rate_limited = 0 < self.plain_left && written == rate;
        let goes_on = 0 < self.plain_left && written == at_most && !self.is_rate_limited;
        self.has_written(written, now);
        if let Err(error) = flushed {
            self.end(super::reason_of(&error));
        }
        goes_on
    }

    /// The state of its TLS, made if it has none.
    pub(super) fn tls_record(&mut self) -> &mut TlsRecord {
        self.tls.get_or_insert_with(|| Box::new(TlsRecord::new()))
    }

    /// Keeps the parameters that were negotiated.
    pub(super) fn keep_session(&mut self) {
        let Some(Stream::Tls(stream)) = &self.stream else { return };
        let asked_for = self.tls.as_ref().and_then(|record| record.asked_for.as_deref());
        let session = agreed(stream.session(), asked_for);
        self.tls_record().session = session;
    }

    /// Keeps what the close reason implies for the peer's stream or for the handshake.
    pub(super) fn keep_reason(&mut self, reason: CloseReason) {
        if reason != CloseReason::Reset {
            return;
        }
        if self.phase == Phase::Handshaking {
            let cut = failure(FailureKind::Cut, "the peer went away");
            self.tls_record().failure.get_or_insert(cut);
        }
        self.keep_end(StreamEnd::Cut);
    }

    /// Keeps how the peer's stream has ended, if there is a session.
    pub(super) fn keep_end(&mut self, end: StreamEnd) {
        if let Some(record) = self.tls.as_mut().filter(|record| record.session.is_some())
            && record.end == StreamEnd::None
        {
            record.end = end;
        }
    }

    /// The negotiated parameters, once the handshake is complete.
    pub fn session(&self) -> Option<TlsSession> {
        self.tls.as_ref()?.session.clone()
    }

    /// Why the handshake failed, if it has.
    pub fn handshake_failure(&self) -> Option<HandshakeFailure> {
        self.tls.as_ref()?.failure.clone()
    }

    /// How the peer's stream has ended.
    pub fn end_of_stream(&self) -> StreamEnd {
        self.tls.as_ref().map_or(StreamEnd::None, |record| record.end)
    }
}
