//! A request's body that is sent piece by piece.

use std::{
    cell::RefCell,
    fmt,
    rc::{Rc, Weak},
};

use sandloop_http::{
    Headers,
    writer::{BodyWriter, LengthError},
};

use super::{error::HttpError, exchange::Exchange, link::Link};
use crate::http::stream::StreamError;

/// The body of a request while it is sent. Clones are the same body.
///
/// When the last clone is gone without [`finish`](Self::finish), the request fails.
#[derive(Clone)]
pub struct HttpUpload(Rc<Handle>);

/// The plugin's handle: when it is dropped, nothing more comes.
struct Handle(Rc<Upload>);

/// The body's state, shared with the link.
pub(super) struct Upload(RefCell<State>);

struct State {
    /// The link, once the head is sent and the server wants the body.
    link: Option<Rc<Link>>,
    exchange: Weak<Exchange>,
    writer: BodyWriter,
    /// Pieces that were sent before that.
    held: Vec<u8>,
    ended: bool,
    closed: bool,
    resume: Option<Box<dyn FnOnce()>>,
}

/// Bytes that are sent in one turn of the loop at most, even to a server that keeps up.
const BURST: usize = 256 * 1024;

impl HttpUpload {
    /// Sends a piece. It is buffered if the server does not keep up: see [`is_full`](Self::is_full).
    ///
    /// # Errors
    /// `Closed`: the request has failed, or the server has already answered. `Length`: the piece exceeds the announced
    /// length; the request fails.
    pub fn chunk(&self, data: impl AsRef<[u8]>) -> Result<(), StreamError> {
        self.0.0.send(data.as_ref())
    }

    /// Whether the next piece should wait for [`on_drained`](Self::on_drained): the server does not keep up, or is not
    /// connected yet.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.0.is_full()
    }

    /// Calls `action` once, when there is room. It is forgotten when the request is over.
    pub fn on_drained(&self, action: impl FnOnce() + 'static) {
        self.0.0.when_room(Box::new(action));
    }

    /// Whether more can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.0.is_open()
    }

    /// Ends the body.
    pub fn finish(&self) {
        self.0.0.finish();
    }

    /// Sends each of `pieces` at the speed at which the server reads, then ends the body.
    pub fn send_each<P: AsRef<[u8]>>(self, mut pieces: impl Iterator<Item = P> + 'static) {
        let mut burst = 0;
        while self.is_open() {
            if self.is_full() || BURST <= burst {
                let upload = self.clone();
                return self.on_drained(move || upload.send_each(pieces));
            }
            let Some(piece) = pieces.next() else { return self.finish() };
            burst += piece.as_ref().len().max(1);
            if self.chunk(piece).is_err() {
                return;
            }
        }
    }
}

impl fmt::Debug for HttpUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpload").finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.is_open() {
            self.0.fail(HttpError::BodyDropped);
        }
    }
}

impl Upload {
    pub(crate) fn new() -> Rc<Upload> {
        Rc::new(Upload(RefCell::new(State {
            link: None,
            exchange: Weak::new(),
            writer: BodyWriter::Ended,
            held: Vec::new(),
            ended: false,
            closed: false,
            resume: None,
        })))
    }

    /// A handle for the plugin.
    pub(crate) fn handle(self: &Rc<Self>) -> HttpUpload {
        HttpUpload(Rc::new(Handle(self.clone())))
    }

    /// Sets the exchange it belongs to.
    pub(crate) fn belongs_to(&self, exchange: &Rc<Exchange>) {
        self.0.borrow_mut().exchange = Rc::downgrade(exchange);
    }

    /// Starts it, after the head is sent and the server wants the body.
    pub(crate) fn begin(&self, link: &Rc<Link>, writer: BodyWriter) {
        let (held, ended) = {
            let mut state = self.0.borrow_mut();
            (state.link, state.writer) = (Some(link.clone()), writer);
            (std::mem::take(&mut state.held), state.ended)
        };
        if !held.is_empty() && self.transmit(&held).is_err() {
            return;
        }
        if ended {
            return self.finish();
        }
        self.advance();
    }

    /// Continues it, after the server has caught up.
    pub(crate) fn advance(&self) {
        if self.is_full() {
            return;
        }
        let resume = self.0.borrow_mut().resume.take();
        if let Some(resume) = resume {
            resume();
        }
    }

    /// Ends it, because the request is over or the server wants no more.
    pub(crate) fn close(&self) {
        let gone = {
            let mut state = self.0.borrow_mut();
            state.closed = true;
            (state.link.take(), std::mem::take(&mut state.held), state.resume.take())
        };
        drop(gone);
    }

    fn is_open(&self) -> bool {
        let state = self.0.borrow();
        !(state.closed || state.ended)
    }

    fn is_full(&self) -> bool {
        let state = self.0.borrow();
        state.link.as_ref().is_none_or(|link| link.is_full())
    }

    fn when_room(&self, action: Box<dyn FnOnce()>) {
        if !self.is_open() {
            return;
        }
        let replaced = self.0.borrow_mut().resume.replace(action);
        drop(replaced);
        let link = self.0.borrow().link.clone();
        if let Some(link) = link {
            link.tell_room();
        }
    }

    fn send(&self, data: &[u8]) -> Result<(), StreamError> {
        if !self.is_open() {
            return Err(StreamError::Closed);
        }
        if self.0.borrow().link.is_none() {
            self.0.borrow_mut().held.extend_from_slice(data);
            return Ok(());
        }
        self.transmit(data)
    }

    fn transmit(&self, data: &[u8]) -> Result<(), StreamError> {
        let sent = {
            let State { link, writer, .. } = &mut *self.0.borrow_mut();
            match (link, writer.frame(data.len())) {
                (Some(link), Ok(frame)) => {
                    link.send(&[frame.before(), data, frame.after].concat());
                    Ok(())
                }
                (_, Err(error)) => Err(error),
                (None, _) => return Err(StreamError::Closed),
            }
        };
        sent.map_err(|error: LengthError| {
            self.fail(HttpError::Body(error));
            StreamError::Length(error)
        })
    }

    fn finish(&self) {
        let ended = {
            let State { link, writer, ended, closed, .. } = &mut *self.0.borrow_mut();
            *ended = true;
            let Some(link) = link.clone().filter(|_| !*closed) else { return };
            let mut out = Vec::new();
            writer.end(&Headers::new(), &mut out).map(|()| (link, out))
        };
        match ended {
            Ok((link, out)) => {
                link.send(&out);
                link.uploaded();
            }
            Err(error) => self.fail(HttpError::Body(error)),
        }
    }

    fn fail(&self, error: HttpError) {
        let exchange = self.0.borrow().exchange.upgrade();
        self.close();
        if let Some(exchange) = exchange {
            exchange.abort(error);
        }
    }
}
