//! A response whose body is sent piece by piece.

use std::{cell::RefCell, fmt, rc::Rc};

use sandloop_http::{
    Headers,
    coding::Compressor,
    writer::{BodyWriter, LengthError},
};

use super::pipeline::{AfterResponse, Slot};
use crate::{files::FileError, transport::FileToSend};

/// The body of an answer, on its way. Clones are the same body.
///
/// When the last clone is gone without [`finish`](Self::finish), the connection is closed, so that the client does not
/// take a part for the whole.
///
/// An answer that has no body, to a `HEAD` or with status 204, 205 or 304, is complete with its head: the stream has
/// ended from the start ([`is_open`](Self::is_open) is false), and what is sent on it is discarded.
#[derive(Clone)]
pub struct ResponseStream(Rc<Body>);

struct Body {
    slot: Slot,
    chunks: RefCell<Chunks>,
}

pub(super) struct Chunks {
    pub writer: BodyWriter,
    pub compressor: Option<Box<dyn Compress>>,
    pub after: AfterResponse,
}

/// [`Compressor`] behind a trait, so that a plugin that uses none does not contain its code.
pub(super) trait Compress {
    fn write(&mut self, data: &[u8], out: &mut Vec<u8>);
    fn flush(&mut self, out: &mut Vec<u8>);
    fn finish(self: Box<Self>, out: &mut Vec<u8>);
}

impl Compress for Compressor {
    fn write(&mut self, data: &[u8], out: &mut Vec<u8>) {
        Compressor::write(self, data, out);
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        Compressor::flush(self, out);
    }

    fn finish(self: Box<Self>, out: &mut Vec<u8>) {
        Compressor::finish(*self, out);
    }
}

/// A piece cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// The connection is gone, or the body has ended.
    Closed,
    /// The body is not as long as was said; the connection was closed.
    Length(LengthError),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamError::Closed => f.write_str("the client is gone, or the answer has ended"),
            StreamError::Length(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StreamError {}

impl ResponseStream {
    pub(super) fn new(slot: Slot, chunks: Chunks) -> ResponseStream {
        ResponseStream(Rc::new(Body { slot, chunks: RefCell::new(chunks) }))
    }

    /// Sends a piece. It is buffered if the client does not keep up: see [`is_full`](Self::is_full).
    ///
    /// # Errors
    /// `Closed`; `Length` past the length that was said. An answer without a body has none: the piece is discarded.
    pub fn chunk(&self, data: impl AsRef<[u8]>) -> Result<(), StreamError> {
        if self.0.is_bodiless() {
            return Ok(());
        }
        if !self.is_open() {
            return Err(StreamError::Closed);
        }
        let data = data.as_ref();
        let Chunks { writer, compressor, .. } = &mut *self.0.chunks.borrow_mut();
        self.0.slot.spend_piece(data.len(), compressor.is_some());
        let sent = match compressor {
            None => self.0.send(writer, data),
            Some(compressor) => {
                let mut compressed = Vec::new();
                compressor.write(data, &mut compressed);
                self.0.send(writer, &compressed)
            }
        };
        sent.map_err(|error| self.0.fail(error))
    }

    /// Flushes the compressor. Without compression it does nothing.
    ///
    /// # Errors
    /// `Closed`.
    pub fn flush(&self) -> Result<(), StreamError> {
        if self.0.is_bodiless() {
            return Ok(());
        }
        if !self.is_open() {
            return Err(StreamError::Closed);
        }
        let Chunks { writer, compressor, .. } = &mut *self.0.chunks.borrow_mut();
        let mut compressed = Vec::new();
        if let Some(compressor) = compressor {
            compressor.flush(&mut compressed);
        }
        self.0.send(writer, &compressed).map_err(|error| self.0.fail(error))
    }

    /// Whether the next piece should wait for [`on_drained`](Self::on_drained): the client is behind, or this turn of the
    /// loop has sent its share.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.0.slot.has_room()
    }

    /// Calls `action` once, when the client has caught up; in a later turn of the loop if it has already. It is forgotten
    /// when the connection ends.
    pub fn on_drained(&self, action: impl FnOnce() + 'static) {
        self.0.slot.when_room(action);
    }

    /// Whether the client is there and the body has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.slot.is_open()
    }

    /// Ends the body.
    pub fn finish(&self) {
        self.finish_with(&Headers::new());
    }

    /// Ends the body with trailers, which are sent only in the chunked coding.
    pub fn finish_with(&self, trailers: &Headers) {
        if !self.is_open() {
            return;
        }
        self.0.slot.pipeline().cork(|| match self.0.end(trailers) {
            Ok(after) => self.0.slot.finish(after),
            Err(error) => drop(self.0.fail(error)),
        });
    }

    /// Has the host send a part of a file, as long as was said, then ends the body.
    pub(super) fn send_file(self, file: FileToSend) {
        if self.0.is_bodiless() {
            return;
        }
        if file.part.is_empty() {
            return self.finish();
        }
        if self.0.slot.is_first() {
            return self.send_file_now(file);
        }
        let stream = self.clone();
        self.on_drained(move || stream.send_file_now(file));
    }

    fn send_file_now(self, file: FileToSend) {
        let length = file.part.end - file.part.start;
        let passed = self.0.chunks.borrow_mut().writer.pass(length);
        if let Err(error) = passed {
            self.0.fail(error);
            return;
        }
        let slot = self.0.slot.clone();
        let then = Box::new(move |outcome: Result<u64, FileError>| {
            self.0.slot.file_sent();
            match outcome {
                Ok(_) => return self.finish(),
                // The client has gone.
                Err(FileError::Closed) => {}
                Err(error) => crate::error!("closing the connection: a file was cut off: {error}"),
            }
            self.0.slot.finish(AfterResponse::Close);
        });
        slot.send_file(file, then);
    }

    /// Sends each of `pieces` at the speed at which the client reads, then ends the body. A piece is asked for when
    /// there is room for it, in a later turn of the loop where this one has sent enough: other connections have their
    /// turn, however quick the client is. An answer without a body asks for none.
    pub fn send_each<P: AsRef<[u8]>>(self, pieces: impl Iterator<Item = P> + 'static) {
        let pipeline = self.0.slot.pipeline().clone();
        pipeline.cork(move || self.send_some(pieces));
    }

    fn send_some<P: AsRef<[u8]>>(self, mut pieces: impl Iterator<Item = P> + 'static) {
        while self.is_open() {
            if self.is_full() || !self.0.slot.has_time() {
                let stream = self.clone();
                return self.on_drained(move || stream.send_each(pieces));
            }
            let Some(piece) = pieces.next() else { return self.finish() };
            if self.chunk(piece).is_err() {
                return;
            }
        }
    }
}

impl Body {
    /// Whether the answer is complete with its head.
    fn is_bodiless(&self) -> bool {
        self.chunks.borrow().writer == BodyWriter::None
    }

    fn end(&self, trailers: &Headers) -> Result<AfterResponse, LengthError> {
        let Chunks { writer, compressor, after } = &mut *self.chunks.borrow_mut();
        let mut last = Vec::new();
        if let Some(compressor) = compressor.take() {
            compressor.finish(&mut last);
        }
        self.send(writer, &last)?;
        self.slot.write(|out| writer.end(trailers, out)).unwrap_or(Ok(()))?;
        Ok(*after)
    }

    fn send(&self, writer: &mut BodyWriter, data: &[u8]) -> Result<(), LengthError> {
        if data.is_empty() {
            return Ok(());
        }
        let frame = writer.frame(data.len())?;
        if frame.sends {
            self.slot.pipeline().cork(|| {
                self.slot.write(|out| out.extend_from_slice(frame.before()));
                self.slot.send(data);
                self.slot.write(|out| out.extend_from_slice(frame.after));
            });
        }
        Ok(())
    }

    fn fail(&self, error: LengthError) -> StreamError {
        crate::error!("closing the connection: {error}");
        self.slot.finish(AfterResponse::Close);
        StreamError::Length(error)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.slot.is_open() {
            crate::error!("closing the connection: the rest of an answer was dropped");
            self.slot.finish(AfterResponse::Close);
        }
    }
}

impl fmt::Debug for ResponseStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseStream").finish_non_exhaustive()
    }
}
