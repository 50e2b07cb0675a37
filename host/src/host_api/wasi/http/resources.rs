//! The resource types of `wasi:http`. Their methods are in the files of the interfaces.

use std::sync::Arc;
use std::time::Duration;

use sandloop_http::writer::Exchange;
use sandloop_http::{Headers, RequestHead, StatusCode};
use wasmtime_wasi::p2::Pollable;

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

/// The body of an incoming request or response.
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

/// An outgoing request that was not sent yet.
#[derive(Debug)]
pub struct OutgoingRequest {
    pub(super) method: Method,
    pub(super) path: Option<String>,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<String>,
    pub(super) headers: Fields,
    /// Set once the guest has asked for it.
    pub(super) body: Option<Body>,
}

/// How long an outgoing request may take.
#[derive(Debug, Default, Clone, Copy)]
pub struct RequestOptions {
    /// How long it may take until there is a connection, with TLS.
    pub(super) connect: Option<Duration>,
    /// How long until the first byte of the response; the deadline of the call bounds all of it.
    pub(super) first_byte: Option<Duration>,
    /// How long between two pieces of it.
    pub(super) between_bytes: Option<Duration>,
}

/// What becomes of an outgoing request.
pub trait Answering: Pollable {
    /// Its result, if there is one; none in that if it was taken before.
    fn take(&mut self) -> Option<Option<Result<IncomingResponse, ErrorCode>>>;
}

/// An outgoing request that waits for its response.
pub struct FutureResponse(pub(super) Box<dyn Answering>);

#[async_trait::async_trait]
impl Pollable for FutureResponse {
    async fn ready(&mut self) {
        self.0.ready().await;
    }
}

/// The response to an outgoing request, which has come as a whole.
#[derive(Debug)]
pub struct IncomingResponse {
    pub(super) status: StatusCode,
    pub(super) headers: Fields,
    /// None once the guest has consumed it.
    pub(super) body: Option<IncomingBody>,
}

impl AnswerSlot {
    pub(super) fn new(peer: AnswerPeer, exchange: Exchange) -> AnswerSlot {
        AnswerSlot(Arc::new(Mutex::new(AnswerState::Open(peer, exchange))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, AnswerState> {
        self.0.lock()
    }
}
