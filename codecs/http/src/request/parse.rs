//! A complete head becomes a request, or is refused.

use std::mem::MaybeUninit;

use http::{Method, Version};

use super::{RequestHead, error::RequestError};
use crate::{
    body::Length,
    fields::number,
    framing::{Coding, Facts, Single, as_known_version, version},
    headers::Headers,
    limits::Limits,
    target::{Target, split_port},
};

/// `head` is the output of the scanner: complete lines, the last one empty.
pub(super) fn parse(head: &[u8], limits: &Limits) -> Result<RequestHead, RequestError> {
    // The line has its form, and its end is CR LF: the scanner has seen to that.
    let minor = memchr::memchr(b'\n', head).and_then(|feed| feed.checked_sub(2));
    let head = &*as_known_version(head, minor.unwrap_or(head.len()));
    let mut fields = [const { MaybeUninit::uninit() }; Limits::HEADERS_MAX];
    let count = limits.headers.min(Limits::HEADERS_MAX);
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, &mut fields[..count]) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(RequestError::RequestLine),
        Err(error) => return Err(error.into()),
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(RequestError::RequestLine);
    };
    // It cannot fail: the scanner has refused all but tokens.
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| RequestError::RequestLine)?;
    let target = Target::parse(&method, target).ok_or(RequestError::Target)?;
    let version = version(minor);
    let headers = Headers::from_parsed(head, parsed.headers);

    let facts = Facts::of(&headers);
    check_host(&facts, version)?;
    let length = length(&facts, version)?;
    let expects_continue = expects_continue(&facts, version)?;
    let keep_alive = !facts.close && (version == Version::HTTP_11 || facts.keep_alive);
    let wants_upgrade = facts.upgrade && version == Version::HTTP_11;
    Ok(RequestHead {
        method,
        target,
        version,
        headers,
        length,
        keep_alive,
        expects_continue,
        wants_upgrade,
    })
}

fn check_host(facts: &Facts<'_>, version: Version) -> Result<(), RequestError> {
    match facts.host {
        Single::Absent if version == Version::HTTP_11 => Err(RequestError::NoHost),
        Single::Absent => Ok(()),
        Single::Repeated => Err(RequestError::Host),
        Single::Value(host) => {
            let host = std::str::from_utf8(host).ok().and_then(split_port);
            host.map(|_| ()).ok_or(RequestError::Host)
        }
    }
}

/// Where the body ends. Everything that another program might understand differently is refused.
fn length(facts: &Facts<'_>, version: Version) -> Result<Length, RequestError> {
    let known = match facts.length {
        Single::Absent => None,
        Single::Repeated => return Err(RequestError::ContentLength),
        Single::Value(value) => Some(content_length(value)?),
    };
    match facts.coding {
        Coding::None => Ok(known.map_or(Length::None, Length::Known)),
        _ if known.is_some() => Err(RequestError::TwoLengths),
        _ if version == Version::HTTP_10 => Err(RequestError::TransferEncodingIn10),
        Coding::Chunked => Ok(Length::Chunked),
        Coding::Unknown => Err(RequestError::TransferCoding),
        Coding::Identity | Coding::Endless { .. } => Err(RequestError::NotChunkedLast),
    }
}

/// A number too large to write down is a body too large to take.
fn content_length(value: &[u8]) -> Result<u64, RequestError> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if digits { Ok(number(value).unwrap_or(u64::MAX)) } else { Err(RequestError::ContentLength) }
}

fn expects_continue(facts: &Facts<'_>, version: Version) -> Result<bool, RequestError> {
    match facts.expect {
        // RFC 9110 has a server ignore the field of an HTTP/1.0 client.
        Some(_) if version == Version::HTTP_10 => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(RequestError::Expectation),
        None => Ok(false),
    }
}

impl From<httparse::Error> for RequestError {
    fn from(error: httparse::Error) -> RequestError {
        match error {
            httparse::Error::HeaderName => RequestError::HeaderName,
            httparse::Error::HeaderValue | httparse::Error::NewLine => RequestError::HeaderValue,
            httparse::Error::TooManyHeaders => RequestError::TooManyHeaders,
            // The line has its form: the scanner has seen to that.
            httparse::Error::Version => RequestError::Version,
            httparse::Error::Token | httparse::Error::Status => RequestError::RequestLine,
        }
    }
}
