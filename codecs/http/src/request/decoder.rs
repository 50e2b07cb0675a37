//! Bytes in, requests out.

use http::Method;

use super::{RequestHead, error::RequestError, line::RequestLine, parse::parse};
use crate::{
    body::{BodyDecoder, Length, error::BodyError},
    chunked::Piece,
    head::{HeadScanner, Leniency},
    headers::Headers,
    limits::Limits,
};

/// A part of a request.
#[derive(Debug)]
pub enum RequestEvent<'a> {
    /// The head.
    Head(RequestHead),
    /// A piece of the body, at least one byte.
    Data(&'a [u8]),
    /// The end, with the trailers.
    End(Headers),
}

/// Decodes the requests of one connection, one after the other.
///
/// ```
/// use sandloop_http::{Limits, RequestDecoder, RequestEvent};
///
/// let mut decoder = RequestDecoder::new(Limits::SERVER);
/// let mut input: &[u8] = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
/// let Ok(Some(RequestEvent::Head(head))) = decoder.decode(&mut input) else { panic!() };
/// assert_eq!(head.target.path(), "/a");
/// assert!(matches!(decoder.decode(&mut input), Ok(Some(RequestEvent::End(_)))));
/// assert!(matches!(decoder.decode(&mut input), Ok(None)));
/// ```
#[derive(Debug)]
pub struct RequestDecoder {
    limits: Limits,
    head: HeadScanner<RequestLine>,
    state: State,
    /// The method of the request whose head came last.
    is_head: bool,
}

/// The part that the next byte belongs to.
#[derive(Debug)]
enum State {
    /// A head, or the empty lines before it.
    Head,
    /// A body whose first byte has not been read and whose length has not been checked.
    Begun { length: Length, keep_alive: bool },
    /// A body; another request may follow it.
    Body { body: BodyDecoder, keep_alive: bool },
    /// The last request is complete.
    Over,
    /// Nothing any more.
    Failed(RequestError),
}

/// What evma_httpserver takes too; RFC 9112 asks for one.
const LENIENCY: Leniency = Leniency { empty_lines: 12, bare_line_feed: false, folded: false };

impl RequestDecoder {
    /// For a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> RequestDecoder {
        let head = HeadScanner::new(RequestLine::new(limits.target), LENIENCY, limits.head);
        RequestDecoder { limits, head, state: State::Head, is_head: false }
    }

    /// Takes the next event out of `input`. Returns none when all of it is taken and more is needed. Bytes after the
    /// last request of a connection are discarded.
    ///
    /// # Errors
    /// Why the rest of the connection cannot be decoded. Each further call returns the same error.
    pub fn decode<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<RequestEvent<'a>>, RequestError> {
        if matches!(self.state, State::Begun { .. }) {
            self.begin_body(self.limits.body)?;
        }
        let result = match &mut self.state {
            State::Head | State::Begun { .. } => self.decode_head(input),
            State::Body { body, .. } => {
                body.decode(input).map_err(RequestError::from).map(|piece| {
                    piece.map(|piece| match piece {
                        Piece::Data(data) => RequestEvent::Data(data),
                        Piece::End(trailers) => self.end(trailers),
                    })
                })
            }
            State::Over => {
                *input = &[];
                Ok(None)
            }
            State::Failed(error) => Err(*error),
        };
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
        result
    }

    /// The peer has ended its side.
    ///
    /// # Errors
    /// `Truncated` inside a request, or the error that [`decode`](Self::decode) has returned.
    pub fn finish(&mut self) -> Result<(), RequestError> {
        match &self.state {
            State::Head if self.head.is_empty() => Ok(()),
            State::Head => Err(RequestError::Truncated),
            State::Begun { length: Length::None | Length::Known(0), .. } | State::Over => Ok(()),
            State::Begun { .. } => Err(BodyError::Truncated.into()),
            State::Body { body, .. } => body.finish().map_err(RequestError::from),
            State::Failed(error) => Err(*error),
        }
    }

    /// Takes no request after the present one, because the connection will close.
    pub fn stop(&mut self) {
        match &mut self.state {
            State::Head => self.state = State::Over,
            State::Begun { keep_alive, .. } | State::Body { keep_alive, .. } => *keep_alive = false,
            State::Over | State::Failed(_) => {}
        }
    }

    /// Sets the size limit of the body whose head was just returned, in place of [`Limits::body`], for a server with
    /// other limits for some paths. It must be called before the next [`decode`](Self::decode).
    ///
    /// # Errors
    /// `Body(TooLarge)` when the head says that the body is longer.
    pub fn begin_body(&mut self, limit: u64) -> Result<(), RequestError> {
        let State::Begun { length, keep_alive } = self.state else { return Ok(()) };
        let limits = Limits { body: limit, ..self.limits };
        match BodyDecoder::new(length, &limits) {
            Ok(body) => {
                self.state = State::Body { body, keep_alive };
                Ok(())
            }
            Err(error) => {
                self.state = State::Failed(error.into());
                Err(error.into())
            }
        }
    }

    /// Whether it is between two requests and no byte of the next has come.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty()
    }

    /// Whether it is inside a head.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head) && !self.head.is_empty()
    }

    /// Whether it is inside a body.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        matches!(self.state, State::Begun { .. } | State::Body { .. })
    }

    /// Whether the present request, the last one between two, is a `HEAD`, as far as it has come, whatever is wrong with
    /// the rest of it: a refusal then has no body.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.is_head || self.head.first_line().is_head()
    }

    fn decode_head<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<RequestEvent<'a>>, RequestError> {
        self.is_head = false;
        let limits = &self.limits;
        let Some(head) = self.head.take(input, |head| parse(head, limits))? else {
            return Ok(None);
        };
        self.is_head = head.method == Method::HEAD;
        self.state = State::Begun { length: head.length, keep_alive: head.keep_alive };
        Ok(Some(RequestEvent::Head(head)))
    }

    fn end<'a>(&mut self, trailers: Headers) -> RequestEvent<'a> {
        let again = matches!(self.state, State::Body { keep_alive: true, .. });
        self.state = if again { State::Head } else { State::Over };
        RequestEvent::End(trailers)
    }
}
