//! Conditional requests (RFC 9110, section 13).

use std::time::SystemTime;

use http::Method;

use crate::{date, headers::Headers};

/// The validators of a resource: they differ between two states of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// With its quotes: `"abc"`, or `W/"abc"` for a weak one.
    pub etag: Option<&'a str>,
    /// When it was last changed.
    pub modified: Option<SystemTime>,
}

/// The result of the preconditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All hold: the request is carried out.
    Proceed,
    /// 304: the client's copy is current.
    NotModified,
    /// 412: the resource is in another state than the client assumes.
    PreconditionFailed,
}

/// Evaluates the preconditions of a request for a resource that exists, in the order of RFC 9110.
#[must_use]
pub fn evaluate(method: &Method, headers: &Headers, validators: Validators<'_>) -> Verdict {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if headers.contains("if-match") {
        if !any_etag(headers, "if-match", validators.etag, is_same_strongly) {
            return Verdict::PreconditionFailed;
        }
    } else if let Some((modified, limit)) = times(headers, "if-unmodified-since", validators)
        && limit < modified
    {
        return Verdict::PreconditionFailed;
    }
    if headers.contains("if-none-match") {
        if any_etag(headers, "if-none-match", validators.etag, is_same_weakly) {
            return if reads { Verdict::NotModified } else { Verdict::PreconditionFailed };
        }
    } else if let Some((modified, limit)) = times(headers, "if-modified-since", validators)
        && reads
        && modified <= limit
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether one of the tags in these fields is this one; `*` is any.
fn any_etag(
    headers: &Headers,
    name: &str,
    etag: Option<&str>,
    is_same: fn(&str, &str) -> bool,
) -> bool {
    let values = headers.get_all(name).filter_map(|value| std::str::from_utf8(value).ok());
    values.flat_map(tags).any(|tag| tag == "*" || etag.is_some_and(|etag| is_same(tag, etag)))
}

/// The members of a list of tags; a tag may have a comma between its quotes.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let members = list.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    members.map(str::trim).filter(|tag| !tag.is_empty())
}

pub(crate) fn is_same_strongly(one: &str, other: &str) -> bool {
    one == other && !one.starts_with("W/")
}

fn is_same_weakly(one: &str, other: &str) -> bool {
    let plain = |tag: &'_ str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    plain(one) == plain(other)
}

/// Both times in whole seconds, if the field is there and both are known.
fn times(headers: &Headers, name: &str, validators: Validators<'_>) -> Option<(u64, u64)> {
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    let limit = date::parse(headers.get(name)?)?;
    Some((seconds(validators.modified?)?, seconds(limit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    #[track_caller]
    fn check(method: &Method, fields: &[(&str, &str)], expected: Verdict) {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value).unwrap();
        }
        let validators = Validators { etag: Some("\"a\""), modified: date::parse(TIME) };
        assert_eq!(evaluate(method, &headers, validators), expected, "{fields:?}");
    }

    #[test]
    fn tags() {
        use Verdict::{NotModified, PreconditionFailed, Proceed};
        for same in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", "\"x,\",\"a\""] {
            check(&Method::GET, &[("If-None-Match", same)], NotModified);
            check(&Method::PUT, &[("If-None-Match", same)], PreconditionFailed);
        }
        for other in ["\"b\"", "a", "\"a", "\"b,\"a\"\"", ""] {
            check(&Method::GET, &[("If-None-Match", other)], Proceed);
        }
        check(&Method::PUT, &[("If-Match", "\"a\"")], Proceed);
        check(&Method::PUT, &[("If-Match", "W/\"a\"")], PreconditionFailed);
        check(&Method::PUT, &[("If-Match", "\"b\"")], PreconditionFailed);
    }

    #[test]
    fn times() {
        use Verdict::{NotModified, PreconditionFailed, Proceed};
        check(&Method::GET, &[("If-Modified-Since", TIME)], NotModified);
        check(&Method::GET, &[("If-Modified-Since", BEFORE)], Proceed);
        check(&Method::GET, &[("If-Modified-Since", "yesterday")], Proceed);
        check(&Method::POST, &[("If-Modified-Since", TIME)], Proceed);
        check(&Method::GET, &[("If-Unmodified-Since", TIME)], Proceed);
        check(&Method::GET, &[("If-Unmodified-Since", BEFORE)], PreconditionFailed);
        // A tag says more than a time.
        check(&Method::GET, &[("If-None-Match", "\"b\""), ("If-Modified-Since", TIME)], Proceed);
    }
}
