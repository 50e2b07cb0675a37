//! A response on its way from a guest to its peer, while its body is written.

use std::sync::Arc;
use std::time::Duration;

use sandloop_http::writer::{BodyWriter, Exchange, Outgoing, OutgoingResponse, write_response};
use sandloop_http::{Headers, StatusCode, date};
use wasmtime_wasi::p2::{StreamError, StreamResult};

use crate::base::lock::Mutex;
use crate::clock::{self, Clock};
use crate::host_api::alarm::Alarm;
use crate::net::connection::{SendError, SharedConnection};
use crate::quota::budget::{ByteBudget, Reservation};

/// The most bytes of one write, and of a body before the response is set.
const PERMIT: usize = 64 << 10;
/// The most bytes of the framing of a piece.
const FRAME: usize = 32;
/// How often the thread of a guest that waits for its peer flushes the outbox; it does not hold the loop meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The most bytes of one such flush.
const FLUSHED_AT_ONCE: usize = 256 << 10;

/// The connection to which a response is sent.
#[derive(Debug, Clone)]
pub(super) struct AnswerPeer {
    pub(super) connection: SharedConnection,
    pub(super) clock: Clock,
    pub(super) alarm: Alarm,
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: Headers,
    /// The declared length of the body, if the guest has set it.
    pub(super) length: Option<u64>,
}

/// The body of an outgoing message. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Body(Arc<Mutex<BodyState>>);

#[derive(Debug)]
enum BodyState {
    /// Of a response that is not set yet.
    Early {
        bytes: Vec<u8>,
        kept: Reservation,
        /// Its trailers, once it is complete.
        end: Option<Headers>,
    },
    /// Of an outgoing request, which is sent when it is whole.
    Request {
        bytes: Vec<u8>,
        kept: Reservation,
        /// The most bytes of it.
        max: usize,
        end: RequestEnd,
    },
    /// Of a response with a peer.
    Going(Box<Going>),
}

/// Whether the body of a request is whole.
#[derive(Debug)]
enum RequestEnd {
    None,
    /// It is, with these trailers.
    Whole(Headers),
    /// It never will be.
    Abandoned,
}

/// The body of a request, as far as it can be sent.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// It is being written.
    Unfinished,
    /// The guest has dropped it.
    Abandoned,
    /// All of it, with its trailers.
    Whole(Vec<u8>, Headers),
}

/// A response with a peer.
#[derive(Debug)]
struct Going {
    peer: AnswerPeer,
    exchange: Exchange,
    /// The head, until it is sent with the first byte of the body or with its end.
    head: Option<Head>,
    writer: BodyWriter,
    /// Bytes of the body that were dropped because the peer has gone.
    lost: usize,
}

/// Why a body cannot be finished.
#[derive(Debug)]
pub(super) enum BodyFault {
    /// It does not have the declared length.
    Length,
    /// The peer does not read.
    Peer,
    /// Its head cannot be written.
    Head(String),
}

/// The error of a full tenant budget.
pub(super) fn no_memory() -> wasmtime::Error {
    wasmtime::Error::msg(
        "the limit `host_memory` of its tenant has no room for a part of a message",
    )
}

/// The progress of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyProgress {
    /// Nothing of it was sent.
    Unsent,
    /// Its body has not ended.
    Begun,
    /// All of it was sent; `keep_alive` says whether the connection stays open.
    Whole { keep_alive: bool },
}

impl Body {
    /// The body of a response that is not set yet; none if the tenant has no room for it.
    pub(super) fn early(memory: &ByteBudget) -> Option<Body> {
        let kept = memory.reserve(0)?;
        Some(Body::new(BodyState::Early { bytes: Vec::new(), kept, end: None }))
    }

    /// The body of an outgoing request, of so many bytes at most; none if the tenant has no room for it.
    pub(super) fn of_request(memory: &ByteBudget, max: u64) -> Option<Body> {
        let kept = memory.reserve(0)?;
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Some(Body::new(BodyState::Request { bytes: Vec::new(), kept, max, end: RequestEnd::None }))
    }

    /// Takes the body of a request, if it is whole. Its bytes stay counted until the body is dropped.
    pub(super) fn take_request(&self) -> RequestBody {
        match &mut *self.0.lock() {
            BodyState::Request { bytes, end: RequestEnd::Whole(trailers), .. } => {
                RequestBody::Whole(std::mem::take(bytes), std::mem::take(trailers))
            }
            BodyState::Request { end: RequestEnd::Abandoned, .. } => RequestBody::Abandoned,
            _ => RequestBody::Unfinished,
        }
    }

    /// The guest has dropped it without an end.
    pub(super) fn abandon(&self) {
        if let BodyState::Request { end: end @ RequestEnd::None, .. } = &mut *self.0.lock() {
            *end = RequestEnd::Abandoned;
        }
    }

    fn new(state: BodyState) -> Body {
        Body(Arc::new(Mutex::new(state)))
    }

    /// The response was set: sends what was written to its peer.
    pub(super) fn attach(&self, peer: AnswerPeer, exchange: Exchange, head: Head) {
        let mut state = self.0.lock();
        let writer = BodyWriter::None;
        let mut going = Box::new(Going { peer, exchange, head: Some(head), writer, lost: 0 });
        if let BodyState::Early { bytes, end, .. } = &mut *state {
            // A failure is reported by the guest's next write.
            let _ = match end.take() {
                Some(trailers) => going.send_whole(bytes, &trailers),
                None if bytes.is_empty() => Ok(()),
                None => going.write(bytes).map_err(|_| BodyFault::Peer),
            };
        }
        *state = BodyState::Going(going);
    }

    /// The number of bytes that may be written.
    pub(super) fn room(&self) -> StreamResult<usize> {
        match &*self.0.lock() {
            BodyState::Early { bytes, .. } if PERMIT <= bytes.len() => Err(StreamError::trap(
                "a body of 64 KiB is written and the answer is not set: call response-outparam.set first, nothing of it can \
                 be sent before",
            )),
            BodyState::Early { bytes, .. } => Ok(PERMIT - bytes.len()),
            // One byte more than fits is granted, and fails: who has just filled it asks too, and has done nothing wrong.
            BodyState::Request { bytes, max, .. } => Ok(PERMIT.min(max - bytes.len()).max(1)),
            BodyState::Going(going) => going.room(),
        }
    }

    /// Ready when there is room, or when there will never be any.
    pub(super) async fn wait_for_room(&self) {
        while let Some((clock, alarm)) = self.look_for_room() {
            alarm.sleep_until(Some(clock.now() + LOOK_AGAIN)).await;
        }
    }

    /// Flushes the outbox; returns the clock and alarm to wait with, if there is still no room.
    fn look_for_room(&self) -> Option<(Clock, Alarm)> {
        let state = self.0.lock();
        let BodyState::Going(going) = &*state else { return None };
        if going.room().is_ok_and(|room| room == 0) {
            let AnswerPeer { connection, clock, .. } = &going.peer;
            connection.lock().flush(clock.now(), FLUSHED_AT_ONCE);
        }
        let is_full = going.room().is_ok_and(|room| room == 0);
        is_full.then(|| (going.peer.clock.clone(), going.peer.alarm.clone()))
    }

    /// Writes a piece.
    pub(super) fn write(&self, piece: &[u8]) -> StreamResult<()> {
        match &mut *self.0.lock() {
            BodyState::Going(going) => going.write(piece),
            BodyState::Early { bytes, kept, .. } => keep(piece, bytes, kept, PERMIT),
            BodyState::Request { bytes, max, .. } if *max < bytes.len() + piece.len() => {
                Err(failed("the body of a request has the limit `http_body`"))
            }
            BodyState::Request { bytes, kept, max, .. } => keep(piece, bytes, kept, *max),
        }
    }

    /// Finishes the body.
    pub(super) fn finish(&self, trailers: Headers) -> Result<(), BodyFault> {
        match &mut *self.0.lock() {
            BodyState::Request { end, .. } => {
                *end = RequestEnd::Whole(trailers);
                Ok(())
            }
            BodyState::Going(going) => going.end(&trailers),
            BodyState::Early { end, .. } => {
                *end = Some(trailers);
                Ok(())
            }
        }
    }

    /// How far it has come.
    pub(super) fn progress(&self) -> BodyProgress {
        match &*self.0.lock() {
            BodyState::Going(going) if going.head.is_none() => match going.writer {
                BodyWriter::Ended => BodyProgress::Whole { keep_alive: going.exchange.keep_alive },
                _ => BodyProgress::Begun,
            },
            _ => BodyProgress::Unsent,
        }
    }
}

impl Going {
    fn room(&self) -> StreamResult<usize> {
        let connection = self.peer.connection.lock();
        let Some(room) = connection.room() else {
            let left = PERMIT.saturating_sub(self.lost);
            return if left == 0 { Err(StreamError::Closed) } else { Ok(left) };
        };
        let left = room.saturating_sub(FRAME).min(PERMIT);
        Ok(if connection.outbound() == 0 { left.max(1) } else { left })
    }

    fn write(&mut self, piece: &[u8]) -> StreamResult<()> {
        let mut out = Vec::with_capacity(piece.len() + FRAME);
        self.begin(Outgoing::Unknown, &mut out).map_err(failed)?;
        self.writer.write(piece, &mut out).map_err(failed)?;
        match self.send(&out) {
            Ok(()) => Ok(()),
            // Most handlers treat a closed stream as an error and trap, so that peers that leave early could put a plugin in
            // quarantine. So the first bytes are dropped silently, and only a handler that goes on writing gets the error.
            Err(SendError::Closed | SendError::Closing) if self.lost < PERMIT => {
                self.lost += piece.len();
                Ok(())
            }
            Err(SendError::Closed | SendError::Closing) => Err(StreamError::Closed),
            Err(_) => Err(failed("its peer does not read")),
        }
    }

    /// Ends the body. If it does not have the declared length the connection is cut, so that the peer sees it is incomplete.
    fn end(&mut self, trailers: &Headers) -> Result<(), BodyFault> {
        // For `HEAD` the length of a body that was not written is unknown.
        let body = if self.exchange.is_head { Outgoing::Unknown } else { Outgoing::Known(0) };
        let mut out = Vec::new();
        self.begin(body, &mut out).map_err(|error| BodyFault::Head(error.to_string()))?;
        let before = self.writer;
        if self.writer.end(trailers, &mut out).is_err() {
            self.writer = if before == BodyWriter::Ended { BodyWriter::Ended } else { before };
            return Err(BodyFault::Length);
        }
        match self.send(&out) {
            Ok(()) | Err(SendError::Closed | SendError::Closing) => Ok(()),
            Err(_) => Err(BodyFault::Peer),
        }
    }

    /// Sends a complete body.
    fn send_whole(&mut self, bytes: &[u8], trailers: &Headers) -> Result<(), BodyFault> {
        let length = Outgoing::Known(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let body = if trailers.is_empty() { length } else { Outgoing::Unknown };
        let mut out = Vec::with_capacity(bytes.len() + FRAME);
        let begun = self.begin(body, &mut out).map_err(|error| error.to_string());
        let written = begun
            .and_then(|()| self.writer.write(bytes, &mut out).map_err(|error| error.to_string()));
        written.map_err(BodyFault::Head)?;
        self.send(&out).map_err(|_| BodyFault::Peer)?;
        self.end(trailers)
    }

    /// Writes the head, if that was not done yet.
    fn begin(
        &mut self,
        body: Outgoing,
        out: &mut Vec<u8>,
    ) -> Result<(), sandloop_http::writer::HeadError> {
        let Some(Head { status, headers, length }) = self.head.take() else { return Ok(()) };
        let date = date::format(clock::calendar());
        let response = OutgoingResponse {
            status,
            headers: &headers,
            body: length.map_or(body, Outgoing::Known),
            date: Some(&date),
        };
        self.writer = write_response(out, &mut self.exchange, &response)?;
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> Result<(), SendError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.peer.connection.send(bytes, self.peer.clock.now()).0
    }
}

/// Adds a piece to a body that is not sent yet.
fn keep(piece: &[u8], bytes: &mut Vec<u8>, kept: &mut Reservation, max: usize) -> StreamResult<()> {
    if max < bytes.len() + piece.len() {
        return Err(StreamError::trap("more was written than check-write had granted"));
    }
    if !kept.grow(u64::try_from(piece.len()).unwrap_or(u64::MAX)) {
        return Err(StreamError::Trap(no_memory()));
    }
    bytes.extend_from_slice(piece);
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::msg(error.to_string()))
}
