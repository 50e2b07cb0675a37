//! Bytes in, responses out.

use http::{Method, StatusCode};

use super::{ResponseHead, error::ResponseError, line::StatusLine, parse::parse};
use crate::{
    body::BodyDecoder,
    chunked::Piece,
    head::{HeadScanner, Leniency},
    headers::Headers,
    limits::Limits,
    status::is_interim,
};

/// A step of a response.
#[derive(Debug)]
pub enum ResponseEvent<'a> {
    /// A 1xx answer: the real one follows.
    Informational(ResponseHead),
    /// The response begins. After `101`, and after a success to `CONNECT`, the bytes that follow are not
    /// HTTP any more and stay in the input.
    Head(ResponseHead),
    /// A piece of its body, at least one byte.
    Data(&'a [u8]),
    /// It is complete, with its trailers.
    End(Headers),
}

/// The responses of one connection, one after the other.
#[derive(Debug)]
pub struct ResponseDecoder {
    limits: Limits,
    head: HeadScanner<StatusLine>,
    state: State,
    informational: u32,
}

/// The part that the next byte belongs to.
#[derive(Debug)]
enum State {
    Head,
    /// A body; another response may follow it.
    Body {
        body: BodyDecoder,
        keep_alive: bool,
    },
    /// Another protocol, or nothing: the last response has come.
    Over,
    Failed(ResponseError),
}

/// Servers are older than clients: RFC 9112 lets a recipient take a line feed alone and has it take a folded line. Some
/// end a body, or an answer before the answer, with a line too many.
const LENIENCY: Leniency = Leniency { empty_lines: 12, bare_line_feed: true, folded: true };

/// 1xx answers to one request. One or two are usual.
const INFORMATIONAL_MAX: u32 = 16;

impl ResponseDecoder {
    /// For a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> ResponseDecoder {
        let head = HeadScanner::new(StatusLine::default(), LENIENCY, limits.head);
        ResponseDecoder { limits, head, state: State::Head, informational: 0 }
    }

    /// The next event in `input`, which loses what was taken; none when more is needed. `method` is that of the
    /// request which is answered: the oldest that has not had its `End`.
    ///
    /// # Errors
    /// Why the rest of the connection cannot be understood; the same at every further call.
    pub fn decode<'a>(
        &mut self,
        input: &mut &'a [u8],
        method: &Method,
    ) -> Result<Option<ResponseEvent<'a>>, ResponseError> {
        let result = match &mut self.state {
            State::Head => self.decode_head(input, method),
            State::Body { body, .. } => {
                body.decode(input).map_err(ResponseError::from).map(|piece| {
                    piece.map(|piece| match piece {
                        Piece::Data(data) => ResponseEvent::Data(data),
                        Piece::End(trailers) => self.end(trailers),
                    })
                })
            }
            State::Over => Ok(None),
            State::Failed(error) => Err(*error),
        };
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
        result
    }

    /// The server has ended its side. True if that is the end of a response whose length was not known, which is
    /// complete now.
    ///
    /// # Errors
    /// `Truncated` inside a response; and the error that was there before.
    pub fn finish(&mut self) -> Result<bool, ResponseError> {
        let result = match &self.state {
            State::Head if self.head.is_empty() => Ok(false),
            State::Head => Err(ResponseError::Truncated),
            State::Body { body, .. } => body.finish().map(|()| true).map_err(ResponseError::from),
            State::Over => Ok(false),
            State::Failed(error) => Err(*error),
        };
        self.state = result.map_or_else(State::Failed, |_| State::Over);
        result
    }

    /// Between two responses, with nothing of the next.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty()
    }

    /// Whether another response can follow.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over | State::Failed(_))
    }

    fn decode_head<'a>(
        &mut self,
        input: &mut &'a [u8],
        method: &Method,
    ) -> Result<Option<ResponseEvent<'a>>, ResponseError> {
        let limits = &self.limits;
        let Some(head) = self.head.take(input, |head| parse(head, method, limits))? else {
            return Ok(None);
        };
        if is_interim(head.status) {
            self.informational += 1;
            if INFORMATIONAL_MAX < self.informational {
                return Err(ResponseError::TooManyInformational);
            }
            return Ok(Some(ResponseEvent::Informational(head)));
        }
        self.informational = 0;
        let tunnel = *method == Method::CONNECT && head.status.is_success();
        self.state = if tunnel || head.status == StatusCode::SWITCHING_PROTOCOLS {
            State::Over
        } else {
            let body = BodyDecoder::of_response(head.length, limits)?;
            State::Body { body, keep_alive: head.keep_alive }
        };
        Ok(Some(ResponseEvent::Head(head)))
    }

    fn end<'a>(&mut self, trailers: Headers) -> ResponseEvent<'a> {
        let again = matches!(self.state, State::Body { keep_alive: true, .. });
        self.state = if again { State::Head } else { State::Over };
        ResponseEvent::End(trailers)
    }
}
