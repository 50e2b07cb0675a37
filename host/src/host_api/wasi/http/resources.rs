//! The resource types of `wasi:http`. Their methods are in the files of the interfaces.

use std::sync::Arc;

use sandloop_http::writer::Exchange;
use sandloop_http::{Headers, RequestHead, StatusCode};

use super::answer::{AnswerPeer, Body, no_memory};
use super::bindings::wasi::http::types::{ErrorCode, Method, Scheme};
use super::body_stream::WholeBody;
use crate::base::lock::{Mutex, MutexGuard};
use crate::quota::budget::{ByteBudget, Reservation};

/// The most bytes of one `fields`, with [`ENTRY_BYTES`] for each entry: far more than any peer accepts, and few enough to
/// be searched in one call.
const FIELDS_BYTES_MAX: u64 = 128 << 10;

/// Header fields, or trailers.
#[derive(Debug)]
pub struct Fields {
    pub(super) entries: Vec<(String, Vec<u8>)>,
    /// Whether they belong to a message already and cannot be changed.
    pub(super) is_immutable: bool,
    pub(super) counted: FieldsMeter,
}

/// The bytes of one `fields`, reserved of its tenant's budget.
#[derive(Debug)]
pub(super) struct FieldsMeter {
    pub(super) bytes: u64,
    reservation: Reservation,
}

impl FieldsMeter {
    pub(super) fn new(memory: &ByteBudget) -> wasmtime::Result<FieldsMeter> {
        let reservation = memory.reserve(0).ok_or_else(no_memory)?;
        Ok(FieldsMeter { bytes: 0, reservation })
    }

    pub(super) fn grow(&mut self, bytes: u64) -> wasmtime::Result<()> {
        if FIELDS_BYTES_MAX < self.bytes.saturating_add(bytes) {
            return Err(wasmtime::Error::msg("fields of more than 128 KiB"));
        }
        if !self.reservation.grow(bytes) {
            return Err(no_memory());
        }
        self.bytes += bytes;
        Ok(())
    }

    pub(super) fn shrink(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.reservation.set(self.bytes);
    }
}

/// An incoming request.
#[derive(Debug)]
pub struct IncomingRequest {
    pub(super) head: RequestHead,
    /// Whether it came over TLS.
    pub(super) is_secure: bool,
    pub(super) headers: Fields,
    /// None once the guest has consumed it.
    pub(super) body: Option<IncomingBody>,
}

/// The body of an incoming request.
#[derive(Debug)]
pub struct IncomingBody {
    pub(super) bytes: Option<WholeBody>,
    pub(super) trailers: Headers,
}

/// The trailers of an incoming request, which are always ready.
#[derive(Debug)]
pub struct FutureTrailers(pub(super) Option<Headers>);

/// The state of the response to one request. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct AnswerSlot(Arc<Mutex<AnswerState>>);

#[derive(Debug)]
pub(super) enum AnswerState {
    /// The guest has set none.
    Open(AnswerPeer, Exchange),
    /// The guest has set an error.
    Failed(ErrorCode),
    /// The guest has set one, with this body.
    Set(Body),
}

/// The slot for a guest's response.
#[derive(Debug)]
pub struct ResponseOutparam(pub(super) AnswerSlot);

/// A response.
#[derive(Debug)]
pub struct OutgoingResponse {
    pub(super) status: StatusCode,
    pub(super) headers: Fields,
    pub(super) body: Body,
    pub(super) is_body_taken: bool,
}

/// The body of a response or of an outgoing request.
#[derive(Debug)]
pub struct OutgoingBody {
    pub(super) body: Body,
    pub(super) is_stream_taken: bool,
}

/// An outgoing request, which is never sent.
#[derive(Debug)]
pub struct OutgoingRequest {
    pub(super) method: Method,
    pub(super) path: Option<String>,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<String>,
    pub(super) headers: Fields,
    pub(super) is_body_taken: bool,
}

/// Options of an outgoing request, which have no effect.
#[derive(Debug, Default)]
pub struct RequestOptions {
    pub(super) connect: Option<u64>,
    pub(super) first_byte: Option<u64>,
    pub(super) between_bytes: Option<u64>,
}

/// The response to an outgoing request, which never exists.
#[derive(Debug)]
pub enum NoResponse {}

impl AnswerSlot {
    pub(super) fn new(peer: AnswerPeer, exchange: Exchange) -> AnswerSlot {
        AnswerSlot(Arc::new(Mutex::new(AnswerState::Open(peer, exchange))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, AnswerState> {
        self.0.lock()
    }
}
