//! A request that was sent, and its response.

use std::{
    fmt,
    rc::{Rc, Weak},
};

use sandloop_http::{Headers, ResponseHead, StatusCode, cookies::SetCookie};

use super::{error::HttpError, exchange::Exchange};
use crate::deferrable::{DefaultDeferrable, Deferrable};

/// A request that was sent: a [`Deferrable`] that succeeds with the response, whatever its status, and fails if there
/// is none. Clones are the same one. It continues when all of them are dropped.
#[derive(Clone)]
pub struct HttpTransfer {
    outcome: DefaultDeferrable<HttpResponse, HttpError>,
    exchange: Weak<Exchange>,
}

impl HttpTransfer {
    pub(super) fn new(
        outcome: DefaultDeferrable<HttpResponse, HttpError>,
        exchange: &Rc<Exchange>,
    ) -> HttpTransfer {
        HttpTransfer { outcome, exchange: Rc::downgrade(exchange) }
    }

    /// One that fails in the next tick.
    pub(super) fn failing(outcome: DefaultDeferrable<HttpResponse, HttpError>) -> HttpTransfer {
        HttpTransfer { outcome, exchange: Weak::new() }
    }

    /// Aborts it: it fails with [`HttpError::Aborted`] unless it is over.
    pub fn abort(&self) {
        if let Some(exchange) = self.exchange.upgrade() {
            exchange.abort(HttpError::Aborted);
        }
    }

    /// Pauses the body, now or when it begins: the head still comes. The server notices when the buffers between are full.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Resumes the body.
    pub fn resume(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, paused: bool) {
        if let Some(exchange) = self.exchange.upgrade() {
            exchange.pause(paused);
        }
    }
}

impl Deferrable for HttpTransfer {
    type Value = HttpResponse;
    type Error = HttpError;

    fn deferrable(&self) -> &DefaultDeferrable<HttpResponse, HttpError> {
        &self.outcome
    }
}

impl fmt::Debug for HttpTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransfer").finish_non_exhaustive()
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: StatusCode,
    /// The server's reason phrase.
    pub reason: String,
    /// The header fields.
    pub headers: Headers,
    /// The decompressed body; empty if it was streamed.
    pub content: Vec<u8>,
    /// The trailers of a chunked body.
    pub trailers: Headers,
    /// The URI that was answered, after all redirects.
    pub uri: String,
    /// The number of redirects that were followed.
    pub redirects: u32,
}

impl HttpResponse {
    pub(super) fn begin(head: ResponseHead, uri: String, redirects: u32) -> HttpResponse {
        HttpResponse {
            status: head.status,
            reason: head.reason,
            headers: head.headers,
            content: Vec::new(),
            trailers: Headers::new(),
            uri,
            redirects,
        }
    }

    /// The first header field with this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    /// The cookies that the server sets, with their attributes.
    pub fn cookies(&self) -> impl Iterator<Item = SetCookie> {
        let fields = self.headers.get_all("set-cookie");
        fields.filter_map(|field| SetCookie::parse(std::str::from_utf8(field).ok()?))
    }
}
