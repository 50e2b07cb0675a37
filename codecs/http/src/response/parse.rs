//! A complete head becomes a response, or is refused.

use std::mem::MaybeUninit;

use http::{Method, StatusCode, Version};

use super::{ResponseHead, error::ResponseError};
use crate::{
    body::Length,
    fields::{list, number},
    framing::{Coding, Facts, Single, as_known_version, version},
    headers::Headers,
    limits::Limits,
    status::is_bodiless,
};

/// `head` is the output of the scanner; `method` is the request's.
pub(super) fn parse(
    head: &[u8],
    method: &Method,
    limits: &Limits,
) -> Result<ResponseHead, ResponseError> {
    let head = &*as_known_version(head, "HTTP/1.".len());
    let mut fields = [const { MaybeUninit::uninit() }; Limits::HEADERS_MAX];
    let count = limits.headers.min(Limits::HEADERS_MAX);
    let mut parsed = httparse::Response::new(&mut []);
    let mut config = httparse::ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(true);
    match config.parse_response_with_uninit_headers(&mut parsed, head, &mut fields[..count]) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(ResponseError::StatusLine),
        Err(error) => return Err(error.into()),
    }
    let code = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(status), Some(minor)) = (code, parsed.version) else {
        return Err(ResponseError::StatusLine);
    };
    let version = version(minor);
    let reason = parsed.reason.unwrap_or_default().to_owned();
    let mut headers = Headers::from_parsed(head, parsed.headers);
    headers.unfold();

    let facts = Facts::of(&headers);
    let length = length(&headers, &facts, method, status, version)?;
    let keep_alive = length != Length::UntilClose
        && !facts.close
        && (version == Version::HTTP_11 || facts.keep_alive);
    Ok(ResponseHead { version, status, reason, headers, length, keep_alive })
}

/// Where the body ends: RFC 9112, section 6.3, without its repairs.
fn length(
    headers: &Headers,
    facts: &Facts<'_>,
    method: &Method,
    status: StatusCode,
    version: Version,
) -> Result<Length, ResponseError> {
    let known = match facts.length {
        Single::Absent => None,
        _ => Some(content_length(headers).ok_or(ResponseError::ContentLength)?),
    };
    let coded = facts.coding != Coding::None;
    if coded && known.is_some() {
        return Err(ResponseError::TwoLengths);
    }
    let tunnel = *method == Method::CONNECT && status.is_success();
    if *method == Method::HEAD || is_bodiless(status) || tunnel {
        return Ok(Length::None);
    }
    match facts.coding {
        Coding::None => Ok(known.map_or(Length::UntilClose, Length::Known)),
        Coding::Identity => Ok(Length::UntilClose),
        Coding::Chunked if version == Version::HTTP_11 => Ok(Length::Chunked),
        _ => Err(ResponseError::TransferCoding),
    }
}

/// RFC 9110, 8.6: the same number may be there several times, in fields or in one.
fn content_length(headers: &Headers) -> Option<u64> {
    let mut numbers = headers.get_all("content-length").flat_map(list).map(number);
    let first = numbers.next()??;
    numbers.all(|number| number == Some(first)).then_some(first)
}

impl From<httparse::Error> for ResponseError {
    fn from(error: httparse::Error) -> ResponseError {
        match error {
            httparse::Error::HeaderName => ResponseError::HeaderName,
            httparse::Error::HeaderValue | httparse::Error::NewLine => ResponseError::HeaderValue,
            httparse::Error::TooManyHeaders => ResponseError::TooManyHeaders,
            httparse::Error::Version => ResponseError::Version,
            httparse::Error::Token | httparse::Error::Status => ResponseError::StatusLine,
        }
    }
}
