//! Writes heads and bodies, with the framing by which the peer finds their ends.
//!
//! A head is the first line, the caller's fields in their order, then the fields of this module: the length,
//! `Connection`, `Date`. The caller never writes a length, so it is never wrong.

mod body;
mod error;

use http::{Method, StatusCode, Version};

pub use self::body::{BodyWriter, Frame, LengthError};
pub use self::error::HeadError;
use crate::{
    headers::{FieldError, Headers},
    status::{is_bodiless, is_interim, reason},
    target::Target,
};

/// The properties of the request that the encoder of the response needs.
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
/// `Connection: close`; if there is an `Upgrade` among the caller's fields, `Connection: Upgrade`.
///
/// # Errors
/// `Field`: the caller's fields include one that only the writer sets. `Interim`: with this status another answer must
/// follow, see [`write_informational`]; `101` is final for HTTP. Nothing was written.
pub fn write_response(
    out: &mut Vec<u8>,
    exchange: &mut Exchange,
    response: &OutgoingResponse<'_>,
) -> Result<BodyWriter, HeadError> {
    let OutgoingResponse { status, headers, date, .. } = *response;
    check_reserved(headers)?;
    if is_interim(status) {
        return Err(HeadError::Interim(status));
    }
    let is_tunnel = exchange.is_connect && status.is_success();
    let lengthless = is_bodiless(status) || is_tunnel;
    // RFC 9110, 15.3.6: such an answer has no content, and says so.
    let is_reset = status == StatusCode::RESET_CONTENT;
    let body = if is_reset { Outgoing::Known(0) } else { response.body };
    let writer = match body {
        _ if exchange.is_head || lengthless || is_reset => BodyWriter::None,
        Outgoing::Known(left) => BodyWriter::Known { left },
        Outgoing::Unknown if exchange.version == Version::HTTP_11 => BodyWriter::Chunked,
        Outgoing::Unknown => BodyWriter::UntilClose,
    };
    let ends_with_connection = body == Outgoing::Unknown && exchange.version == Version::HTTP_10;
    exchange.keep_alive &= !ends_with_connection || is_bodiless(status);

    status_line(out, status);
    fields(out, headers);
    // RFC 9110: none of these has a length; the length in a 304 would be that of the 200.
    if !lengthless {
        length(out, body, exchange.version);
    }
    let upgrades = status == StatusCode::SWITCHING_PROTOCOLS || headers.contains("upgrade");
    let stays = match exchange.version {
        // What follows is not HTTP's to end.
        _ if status == StatusCode::SWITCHING_PROTOCOLS => "",
        _ if !exchange.keep_alive => "close",
        Version::HTTP_10 => "keep-alive",
        _ => "",
    };
    connection(out, upgrades, stays);
    if let Some(date) = date.filter(|_| !headers.contains("date")) {
        field(out, "Date", date.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(writer)
}

/// Writes an interim answer, such as `100 Continue` or `103 Early Hints`. HTTP/1.0 clients must not get one.
///
/// # Errors
/// `Field` as [`write_response`]; `Final`: the status is no interim one. Nothing was written.
pub fn write_informational(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &Headers,
) -> Result<(), HeadError> {
    check_reserved(headers)?;
    if !is_interim(status) {
        return Err(HeadError::Final(status));
    }
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
    connection(out, headers.contains("upgrade"), if keep_alive { "" } else { "close" });
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

/// RFC 9110, 7.8: who sends `Upgrade` says so here too, or an intermediary might pass it on.
fn connection(out: &mut Vec<u8>, upgrades: bool, stays: &str) {
    let value = match (upgrades, stays) {
        (false, "") => return,
        (false, stays) => stays,
        (true, "") => "Upgrade",
        (true, "keep-alive") => "Upgrade, keep-alive",
        (true, _) => "Upgrade, close",
    };
    field(out, "Connection", value.as_bytes());
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
