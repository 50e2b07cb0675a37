//! The bytes of an outgoing request and of its response, on a connection that is there.

use std::io;
use std::time::Duration;

use sandloop_http::writer::{Outgoing, OutgoingRequest, write_request};
use sandloop_http::{
    Headers, Limits, ResponseDecoder, ResponseError, ResponseEvent, ResponseHead, StatusCode,
};

use super::bindings::wasi::http::types::ErrorCode;
use super::fetch::{Fetch, FetchHead, FetchStage, FetchStep, error_of};
use super::resources::{Fields, IncomingBody, IncomingResponse};
use crate::clock::Moment;
use crate::net::connection::reason_of;
use crate::net::connection::stream::Stream;
use crate::plugin::Plugin;
use crate::quota::budget::Reservation;

/// Bytes of one read, and the most reads of one look.
const READ_BYTES: usize = 32 << 10;
const READS: usize = 16;

/// A request that is sent, and its response as far as it has come.
#[derive(Debug)]
pub(super) struct FetchExchange {
    stream: Stream,
    out: Vec<u8>,
    sent: usize,
    decoder: ResponseDecoder,
    head: Option<ResponseHead>,
    body: Vec<u8>,
    kept: Reservation,
    /// When something has come last, or it began.
    last: Moment,
}

impl FetchHead {
    /// The request as bytes.
    pub(super) fn written_with(
        &self,
        bytes: &[u8],
        trailers: &Headers,
    ) -> Result<Vec<u8>, ErrorCode> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.length.is_some_and(|declared| declared != length) {
            return Err(ErrorCode::HttpRequestBodySize(Some(length)));
        }
        let body = match trailers.is_empty() {
            true if bytes.is_empty() => None,
            true => Some(Outgoing::Known(length)),
            false => Some(Outgoing::Unknown),
        };
        let request = OutgoingRequest {
            method: &self.method,
            target: &self.path,
            host: &self.authority,
            headers: &self.headers,
            body,
            keep_alive: false,
        };
        let mut out = Vec::with_capacity(bytes.len() + 512);
        let mut writer = write_request(&mut out, &request).map_err(internal)?;
        writer.write(bytes, &mut out).map_err(internal)?;
        writer.end(trailers, &mut out).map_err(internal)?;
        Ok(out)
    }
}

impl FetchExchange {
    pub(super) fn new(
        plugin: &Plugin,
        stream: Stream,
        out: Vec<u8>,
        now: Moment,
    ) -> Result<FetchExchange, ErrorCode> {
        let kept = plugin.tenant.host_memory.reserve(0).ok_or_else(no_room)?;
        Ok(FetchExchange {
            stream,
            out,
            sent: 0,
            decoder: ResponseDecoder::new(Limits::CLIENT),
            head: None,
            body: Vec::new(),
            kept,
            last: now,
        })
    }

    /// Sends and reads what the socket takes and has, as far as the rates of the tenant allow it.
    pub(super) fn advance(
        mut self: Box<Self>,
        of: &mut Fetch,
        now: Moment,
    ) -> Result<FetchStep, ErrorCode> {
        self.write(of, now);
        let plugin = of.host.plugin.clone();
        let reading = &plugin.tenant.reading;
        let mut buffer = vec![0; READ_BYTES];
        for _ in 0..READS {
            if reading.is_bounded() && reading.is_empty(now) {
                break;
            }
            let read = match self.stream.read(&mut buffer) {
                // All that can be wrong with the end is that it comes too early.
                Ok(0) if self.decoder.finish().unwrap_or(false) => {
                    return self.answered(&plugin, Headers::new());
                }
                Ok(0) => return Err(ErrorCode::HttpResponseIncomplete),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_in_time(of, now)?;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ErrorCode::HttpResponseIncomplete);
                }
                Err(error) => return Err(error_of(reason_of(&error))),
            };
            reading.take(u64::try_from(read).unwrap_or(u64::MAX));
            (self.last, of.pause) = (now, Duration::ZERO);
            let max = plugin.config.limits.http_body;
            if let Some(trailers) = self.decode(&buffer[..read], &of.head, max)? {
                return self.answered(&plugin, trailers);
            }
        }
        Ok(FetchStep::Waits(FetchStage::Exchange(self)))
    }

    /// A server may answer before it has read the request, and close its side: that is read first.
    fn write(&mut self, of: &Fetch, now: Moment) {
        let writing = &of.host.plugin.tenant.writing;
        while self.sent < self.out.len() {
            let left = usize::try_from(writing.left(now)).unwrap_or(usize::MAX);
            let most = left.min(self.out.len() - self.sent);
            if most == 0 {
                return;
            }
            match self.stream.write(&self.out[self.sent..self.sent + most]) {
                Ok(written) => {
                    self.sent += written;
                    writing.take(u64::try_from(written).unwrap_or(u64::MAX));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.sent = self.out.len(),
            }
        }
        // Records that the socket has not taken.
        if let Some(tls) = self.stream.tls() {
            let _ = tls.push_out();
        }
    }

    fn is_in_time(&self, of: &Fetch, now: Moment) -> Result<(), ErrorCode> {
        let is_late =
            |within: Option<Duration>| within.is_some_and(|within| self.last + within <= now);
        match self.head {
            None if is_late(of.times.first_byte) => Err(ErrorCode::HttpResponseTimeout),
            Some(_) if is_late(of.times.between_bytes) => Err(ErrorCode::ConnectionReadTimeout),
            _ => Ok(()),
        }
    }

    /// Takes bytes of the response; its trailers when it is complete.
    fn decode(
        &mut self,
        mut input: &[u8],
        request: &FetchHead,
        max: u64,
    ) -> Result<Option<Headers>, ErrorCode> {
        while let Some(event) =
            self.decoder.decode(&mut input, &request.method).map_err(protocol)?
        {
            match event {
                ResponseEvent::Informational(_) => {}
                ResponseEvent::Head(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(ErrorCode::HttpUpgradeFailed);
                }
                ResponseEvent::Head(head) => self.head = Some(head),
                ResponseEvent::Data(piece) => {
                    let length = u64::try_from(self.body.len() + piece.len()).unwrap_or(u64::MAX);
                    if max < length {
                        return Err(ErrorCode::HttpResponseBodySize(Some(length)));
                    }
                    if !self.kept.grow(u64::try_from(piece.len()).unwrap_or(u64::MAX)) {
                        return Err(no_room());
                    }
                    self.body.extend_from_slice(piece);
                }
                ResponseEvent::End(trailers) => return Ok(Some(trailers)),
            }
        }
        Ok(None)
    }

    fn answered(
        mut self: Box<Self>,
        plugin: &Plugin,
        trailers: Headers,
    ) -> Result<FetchStep, ErrorCode> {
        let head = self.head.take().ok_or(ErrorCode::HttpResponseIncomplete)?;
        let headers = Fields::received(&head.headers, &plugin.tenant.host_memory);
        let headers = headers.map_err(|_| no_room())?;
        let body = IncomingBody::new(self.body, self.kept, trailers);
        let response = IncomingResponse { status: head.status, headers, body: Some(body) };
        Ok(FetchStep::GoesOn(FetchStage::Over(Some(Ok(response)))))
    }
}

fn internal(error: impl std::fmt::Display) -> ErrorCode {
    ErrorCode::InternalError(Some(error.to_string()))
}

/// The tenant has no room for what has come.
fn no_room() -> ErrorCode {
    internal("the limit `host_memory` of its tenant has no room for the response")
}

fn protocol(error: ResponseError) -> ErrorCode {
    tracing::debug!(%error, "a response is not HTTP");
    ErrorCode::HttpProtocolError
}
