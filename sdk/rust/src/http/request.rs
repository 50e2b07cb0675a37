//! Received requests, with the complete body or while it is being received.

use std::{cell::RefCell, fmt, ops::Deref, rc::Rc};

use sandloop_http::{Headers, RequestError, RequestHead, form};

use super::pipeline::Pipeline;
use crate::{transport::Transport, types::Address};

/// A request. Its head's fields and methods are its own: `request.method`, `request.headers`,
/// `request.host()`, see [`RequestHead`].
pub struct Request {
    head: RequestHead,
    content: Vec<u8>,
    trailers: Headers,
    body: Option<RequestBody>,
    transport: Rc<dyn Transport>,
}

impl Request {
    pub(super) fn whole(
        head: RequestHead,
        content: Vec<u8>,
        trailers: Headers,
        transport: Rc<dyn Transport>,
    ) -> Request {
        Request { head, content, trailers, body: None, transport }
    }

    pub(super) fn streamed(
        head: RequestHead,
        body: RequestBody,
        transport: Rc<dyn Transport>,
    ) -> Request {
        let (content, trailers) = (Vec::new(), Headers::new());
        Request { head, content, trailers, body: Some(body), transport }
    }

    /// The path, percent-encoded as it came.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.target.path()
    }

    /// The path in UTF-8, decoded; none if it is not well encoded, or has a zero.
    #[must_use]
    pub fn decoded_path(&self) -> Option<String> {
        let path = String::from_utf8(form::percent_decode(self.path())?).ok()?;
        (!path.contains('\0')).then_some(path)
    }

    /// What follows the question mark, as it came; empty without one.
    #[must_use]
    pub fn query_string(&self) -> &str {
        self.head.target.query().unwrap_or_default()
    }

    /// The first value with this name in the query, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        form::pairs(self.query_string()).find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The first value with this name in a form that was posted, decoded.
    #[must_use]
    pub fn form(&self, name: &str) -> Option<String> {
        let text = std::str::from_utf8(&self.content).ok()?;
        form::pairs(text).find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The first header field with this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)
    }

    /// The first cookie with this name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.head.cookies().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The body; empty without one, and where it is streamed.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The body, to keep.
    #[must_use]
    pub fn into_content(self) -> Vec<u8> {
        self.content
    }

    /// The fields that followed a chunked body.
    #[must_use]
    pub fn trailers(&self) -> &Headers {
        &self.trailers
    }

    /// The body that is still coming, of a request that was taken with [`Intake::Stream`](super::Intake::Stream).
    #[must_use]
    pub fn body(&self) -> Option<RequestBody> {
        self.body.clone()
    }

    /// The other end of the connection: the client, or its proxy.
    #[must_use]
    pub fn peer_address(&self) -> Option<Address> {
        self.transport.peer_address()
    }

    /// Everything but the body.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }
}

impl Deref for Request {
    type Target = RequestHead;

    fn deref(&self) -> &RequestHead {
        &self.head
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("head", &self.head)
            .field("content", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// A body that is still coming. Clones are the same body.
///
/// What comes before anybody has asked for it, and after the last clone and callback are gone, is read and
/// forgotten.
#[derive(Clone)]
pub struct RequestBody(Rc<Sink>);

struct Sink {
    callbacks: RefCell<Callbacks>,
    pipeline: Pipeline,
}

#[derive(Default)]
struct Callbacks {
    data: Option<OnData>,
    end: Option<OnEnd>,
}

type OnData = Box<dyn FnMut(&[u8])>;
type OnEnd = Box<dyn FnOnce(Result<Headers, RequestError>)>;

impl RequestBody {
    pub(super) fn new(pipeline: Pipeline) -> RequestBody {
        RequestBody(Rc::new(Sink { callbacks: RefCell::default(), pipeline }))
    }

    /// Calls `action` with each piece: at least one byte, in order, cut anywhere.
    pub fn on_data(&self, action: impl FnMut(&[u8]) + 'static) -> &Self {
        let replaced = self.0.callbacks.borrow_mut().data.replace(Box::new(action));
        drop(replaced);
        self
    }

    /// Calls `action` at the end: with the trailers, or with why the body will never be complete. In that case the
    /// client has got its answer already, if none was begun.
    pub fn on_end(&self, action: impl FnOnce(Result<Headers, RequestError>) + 'static) -> &Self {
        let replaced = self.0.callbacks.borrow_mut().end.replace(Box::new(action));
        drop(replaced);
        self
    }

    /// No more pieces for now: the client feels it once its buffers are full.
    pub fn pause(&self) {
        self.0.pipeline.pause(true);
    }

    /// More pieces, please.
    pub fn resume(&self) {
        self.0.pipeline.pause(false);
    }

    pub(super) fn deliver(&self, data: &[u8]) {
        // The callback may set another one, or let go of itself.
        let callback = self.0.callbacks.borrow_mut().data.take();
        if let Some(mut callback) = callback {
            callback(data);
            let mut callbacks = self.0.callbacks.borrow_mut();
            if callbacks.data.is_none() {
                callbacks.data = Some(callback);
            }
        }
    }

    pub(super) fn end(&self, outcome: Result<Headers, RequestError>) {
        let callbacks = std::mem::take(&mut *self.0.callbacks.borrow_mut());
        drop(callbacks.data);
        if let Some(end) = callbacks.end {
            end(outcome);
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
