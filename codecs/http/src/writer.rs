//! Writes heads and bodies, with the framing by which the peer finds their ends.
//!
//! A head is the first line, the caller's fields in their order, then the fields of this module: the length,
//! `Connection`, `Date`. The caller never writes a length, so it is never wrong.

use std::{fmt, io::Write as _};

use http::{Method, StatusCode, Version};

use crate::{
    headers::{FieldError, Headers},
    status::{is_bodiless, reason},
    target::Target,
};

/// What the writer of an answer must know about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The version that the client speaks.
    pub version: Version,
    /// Whether the connection stays open. An answer that ends with the connection sets it to false.
    pub keep_alive: bool,
    /// The answer to `HEAD` has no body, whatever its head says.
    pub is_head: bool,
    /// A 2xx answer to `CONNECT` has no body and no length: a tunnel follows.
    pub is_connect: bool,
}

impl Exchange {
    /// For the answer to a request like this.
    #[must_use]
    pub fn answering(method: &Method, version: Version, keep_alive: bool) -> Exchange {
        let (is_head, is_connect) = (*method == Method::HEAD, *method == Method::CONNECT);
        Exchange { version, keep_alive, is_head, is_connect }
    }
}

/// The length of a body that will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The number of bytes.
    Known(u64),
    /// Not known before the end.
    Unknown,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingResponse<'a> {
    /// The status code.
    pub status: StatusCode,
    /// The caller's fields. A `Date` among them replaces `date`.
    pub headers: &'a Headers,
    /// The length of the body.
    pub body: Outgoing,
    /// The present time, from [`date::format`](crate::date::format). None for a server without a clock: no `Date`.
    pub date: Option<&'a str>,
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub target: &'a Target,
    /// The value of `Host`, which is the first field, unless the caller's fields have one.
    pub host: &'a str,
    /// The caller's fields.
    pub headers: &'a Headers,
    /// The length of the body; none without a body. `POST`, `PUT` and `PATCH` then say `Content-Length: 0`.
    pub body: Option<Outgoing>,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
}

/// The fields that only the writer sets.
const RESERVED: &[&str] =
    &["connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding"];

/// Writes the head of an answer and returns the writer of its body. If [`Exchange::keep_alive`] is false, it says
/// `Connection: close`.
///
/// # Errors
/// `Reserved`: the caller's fields include one that only the writer sets. Nothing was written.
pub fn write_response(
    out: &mut Vec<u8>,
    exchange: &mut Exchange,
    response: &OutgoingResponse<'_>,
) -> Result<BodyWriter, FieldError> {
    let OutgoingResponse { status, headers, body, date } = *response;
    check_reserved(headers)?;
    let is_tunnel = exchange.is_connect && status.is_success();
    let writer = match body {
        _ if exchange.is_head || is_bodiless(status) || is_tunnel => BodyWriter::None,
        Outgoing::Known(left) => BodyWriter::Known { left },
        Outgoing::Unknown if exchange.version == Version::HTTP_11 => BodyWriter::Chunked,
        Outgoing::Unknown => BodyWriter::UntilClose,
    };
    let ends_with_connection = body == Outgoing::Unknown && exchange.version == Version::HTTP_10;
    exchange.keep_alive &= !ends_with_connection || is_bodiless(status);

    status_line(out, status);
    fields(out, headers);
    // RFC 9110: none of these has a length; the length in a 304 would be that of the 200.
    if !(is_bodiless(status) || is_tunnel) {
        length(out, body, exchange.version);
    }
    connection(out, status, exchange);
    if let Some(date) = date.filter(|_| !headers.contains("date")) {
        field(out, "Date", date.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(writer)
}

/// Writes an interim answer, such as `100 Continue` or `103 Early Hints`. HTTP/1.0 clients must not get one.
///
/// # Errors
/// As [`write_response`].
pub fn write_informational(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &Headers,
) -> Result<(), FieldError> {
    check_reserved(headers)?;
    status_line(out, status);
    fields(out, headers);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Writes the head of a request and returns the writer of its body.
///
/// # Errors
/// As [`write_response`], and for a `host` that is not valid as the value of a field.
pub fn write_request(
    out: &mut Vec<u8>,
    request: &OutgoingRequest<'_>,
) -> Result<BodyWriter, FieldError> {
    let OutgoingRequest { method, target, host, headers, body, keep_alive } = *request;
    check_reserved(headers)?;
    let mut first = Headers::new();
    if !headers.contains("host") {
        first.append("Host", host)?;
    }
    for part in [method.as_str(), " ", target.as_str(), " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    fields(out, &first);
    fields(out, headers);
    if let Some(body) = body {
        length(out, body, Version::HTTP_11);
    } else if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        content_length(out, 0);
    }
    if headers.contains("upgrade") {
        out.extend_from_slice(b"Connection: Upgrade\r\n");
    } else if !keep_alive {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(match body {
        None => BodyWriter::None,
        Some(Outgoing::Known(left)) => BodyWriter::Known { left },
        Some(Outgoing::Unknown) => BodyWriter::Chunked,
    })
}

/// Checks that the caller's fields include none that only the writer sets.
///
/// # Errors
/// `Reserved`, with the first such field.
pub fn check_reserved(headers: &Headers) -> Result<(), FieldError> {
    let reserved = |name: &str| RESERVED.iter().any(|known| known.eq_ignore_ascii_case(name));
    match headers.iter().find(|(name, _)| reserved(name)) {
        Some((name, _)) => Err(FieldError::Reserved(name.to_owned())),
        None => Ok(()),
    }
}

fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status.as_u16()));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn fields(out: &mut Vec<u8>, headers: &Headers) {
    for (name, value) in headers.iter() {
        field(out, name, value);
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Says where the body will end. In HTTP/1.0 that is the end of the connection, unless the length is known.
fn length(out: &mut Vec<u8>, body: Outgoing, version: Version) {
    match body {
        Outgoing::Known(length) => content_length(out, length),
        Outgoing::Unknown if version == Version::HTTP_11 => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        Outgoing::Unknown => {}
    }
}

fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

fn connection(out: &mut Vec<u8>, status: StatusCode, exchange: &Exchange) {
    let option: &[u8] = if status == StatusCode::SWITCHING_PROTOCOLS {
        b"Connection: Upgrade\r\n"
    } else if !exchange.keep_alive {
        b"Connection: close\r\n"
    } else if exchange.version == Version::HTTP_10 {
        b"Connection: keep-alive\r\n"
    } else {
        b""
    };
    out.extend_from_slice(option);
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

/// The writer of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyWriter {
    /// There is no body: what is written is discarded.
    None,
    /// The head has told the length.
    Known {
        /// Bytes that are still to be written.
        left: u64,
    },
    /// In chunks.
    Chunked,
    /// Without framing: the body ends with the connection.
    UntilClose,
    /// The end has been written.
    Ended,
}

/// The body does not have the length that its head says. The connection must be closed: the peer would read
/// the next message as part of the body, or wait for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthError {
    /// By how many bytes the body exceeds its length. They were not written.
    TooMuch(u64),
    /// How many bytes are missing at the end.
    TooLittle(u64),
    /// Written after the end.
    AfterEnd,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LengthError::TooMuch(by) => {
                write!(
                    f,
                    "the body is {by} bytes longer than was said: say no length to send in chunks"
                )
            }
            LengthError::TooLittle(by) => {
                write!(f, "the body ends {by} bytes before the length that was said")
            }
            LengthError::AfterEnd => f.write_str("the body has ended already"),
        }
    }
}

impl std::error::Error for LengthError {}

/// The framing of one piece of a body.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    before: [u8; 18],
    before_length: u8,
    /// Whether the piece itself is sent: not for an answer without a body.
    pub sends: bool,
    /// The bytes after the piece.
    pub after: &'static [u8],
}

impl Frame {
    const PLAIN: Frame = Frame { before: [0; 18], before_length: 0, sends: true, after: b"" };

    /// The bytes before the piece.
    #[must_use]
    pub fn before(&self) -> &[u8] {
        &self.before[..usize::from(self.before_length)]
    }

    fn chunk(length: usize) -> Frame {
        let mut frame = Frame { after: b"\r\n", ..Frame::PLAIN };
        let mut rest = frame.before.as_mut_slice();
        // Sixteen digits and two bytes always fit.
        let written = write!(rest, "{length:X}\r\n").is_ok();
        let left = rest.len();
        debug_assert!(written);
        frame.before_length = (frame.before.len() - left) as u8;
        frame
    }
}

impl BodyWriter {
    /// The framing of a piece of `length` bytes, for a caller that sends large pieces without a copy.
    ///
    /// # Errors
    /// `TooMuch`, `AfterEnd`.
    pub fn frame(&mut self, length: usize) -> Result<Frame, LengthError> {
        match self {
            BodyWriter::None => Ok(Frame { sends: false, ..Frame::PLAIN }),
            BodyWriter::Known { left } => match left.checked_sub(length as u64) {
                Some(rest) => {
                    *left = rest;
                    Ok(Frame::PLAIN)
                }
                None => Err(LengthError::TooMuch(length as u64 - *left)),
            },
            // An empty chunk would end the body.
            BodyWriter::Chunked if length == 0 => Ok(Frame::PLAIN),
            BodyWriter::Chunked => Ok(Frame::chunk(length)),
            BodyWriter::UntilClose => Ok(Frame::PLAIN),
            BodyWriter::Ended => Err(LengthError::AfterEnd),
        }
    }

    /// Writes a piece.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn write(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), LengthError> {
        let frame = self.frame(data.len())?;
        if frame.sends {
            out.extend_from_slice(frame.before());
            out.extend_from_slice(data);
            out.extend_from_slice(frame.after);
        }
        Ok(())
    }

    /// Writes the end. Trailers are written only in the chunked coding.
    ///
    /// # Errors
    /// `TooLittle`, `AfterEnd`.
    pub fn end(&mut self, trailers: &Headers, out: &mut Vec<u8>) -> Result<(), LengthError> {
        match std::mem::replace(self, BodyWriter::Ended) {
            BodyWriter::Known { left } if 0 < left => Err(LengthError::TooLittle(left)),
            BodyWriter::Ended => Err(LengthError::AfterEnd),
            BodyWriter::Chunked => {
                out.extend_from_slice(b"0\r\n");
                fields(out, trailers);
                out.extend_from_slice(b"\r\n");
                Ok(())
            }
            BodyWriter::None | BodyWriter::Known { .. } | BodyWriter::UntilClose => Ok(()),
        }
    }
}
