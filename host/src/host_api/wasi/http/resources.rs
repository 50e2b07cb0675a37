//! What the handles of `wasi:http` are of. What can be done with each is beside it, in the file of its interface.

use std::sync::Arc;

use parking_lot::Mutex;
use sandloop_http::writer::Exchange;
use sandloop_http::{Headers, RequestHead, StatusCode};

use super::answer::{AnswerPeer, Body, no_memory};
use super::bindings::wasi::http::types::{ErrorCode, Method, Scheme};
use super::body_stream::WholeBody;
use crate::quota::budget::{ByteBudget, Reservation};

/// Bytes of one `fields`, with [`ENTRY_BYTES`] for each entry: far more than any peer takes, and little enough to be looked
/// through in one call.
const FIELDS_BYTES_MAX: u64 = 128 << 10;

/// Header fields, or trailers.
#[derive(Debug)]
pub struct Fields {
    pub(super) entries: Vec<(String, Vec<u8>)>,
    /// Those of a message that is made cannot be changed any more.
    pub(super) is_immutable: bool,
    pub(super) counted: FieldsMeter,
}

/// Bytes of one `fields` in its tenant's account.
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

/// A request that has come.
#[derive(Debug)]
pub struct IncomingRequest {
    pub(super) head: RequestHead,
    /// It came by TLS.
    pub(super) is_secure: bool,
    pub(super) headers: Fields,
    /// None once it was taken.
    pub(super) body: Option<IncomingBody>,
}

/// The body of a request.
#[derive(Debug)]
pub struct IncomingBody {
    pub(super) bytes: Option<WholeBody>,
    pub(super) trailers: Headers,
}

/// The trailers of a request, which are there already.
#[derive(Debug)]
pub struct FutureTrailers(pub(super) Option<Headers>);

/// What has become of the answer to one request. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct AnswerSlot(pub(super) Arc<Mutex<AnswerState>>);

#[derive(Debug)]
pub(super) enum AnswerState {
    /// There is none.
    Open(AnswerPeer, Exchange),
    /// The guest has said an error instead.
    Failed(ErrorCode),
    /// There is one, with this body.
    Set(Body),
}

/// Where a guest puts its answer.
#[derive(Debug)]
pub struct ResponseOutparam(pub(super) AnswerSlot);

/// An answer.
#[derive(Debug)]
pub struct OutgoingResponse {
    pub(super) status: StatusCode,
    pub(super) headers: Fields,
    pub(super) body: Body,
    pub(super) is_body_taken: bool,
}

/// The body of an answer or of a request.
#[derive(Debug)]
pub struct OutgoingBody {
    pub(super) body: Body,
    pub(super) is_stream_taken: bool,
}

/// A request.
#[derive(Debug)]
pub struct OutgoingRequest {
    pub(super) method: Method,
    pub(super) path: Option<String>,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<String>,
    pub(super) headers: Fields,
    pub(super) is_body_taken: bool,
}

/// What its guest wants of a request: nothing comes of it.
#[derive(Debug, Default)]
pub struct RequestOptions {
    pub(super) connect: Option<u64>,
    pub(super) first_byte: Option<u64>,
    pub(super) between_bytes: Option<u64>,
}

/// The answer to a request of a guest's own, which there never is.
#[derive(Debug)]
pub enum NoResponse {}

impl AnswerSlot {
    pub(super) fn new(peer: AnswerPeer, exchange: Exchange) -> AnswerSlot {
        AnswerSlot(Arc::new(Mutex::new(AnswerState::Open(peer, exchange))))
    }
}
