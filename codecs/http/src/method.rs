//! What a request wants done.

use std::{fmt, str::FromStr};

/// A request's method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the protocol's own")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    Trace,
    /// Any other token, such as `PROPFIND`.
    Other(Box<str>),
}

/// Longer names are not read: RFC 9110 has 501 for them.
pub(crate) const METHOD_MAX: usize = 32;

impl Method {
    /// As it is written: `GET`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Connect => "CONNECT",
            Method::Trace => "TRACE",
            Method::Other(name) => name,
        }
    }

    /// Whether doing it twice is the same as doing it once, so that a client may try again.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        !matches!(self, Method::Post | Method::Patch | Method::Connect | Method::Other(_))
    }

    /// From a token that was checked already.
    pub(crate) fn from_token(token: &str) -> Method {
        match token {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "CONNECT" => Method::Connect,
            "TRACE" => Method::Trace,
            other => Method::Other(other.into()),
        }
    }
}

/// The text is no method: a token of 1 to 32 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMethod;

impl fmt::Display for NotAMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a method is a word of 1 to 32 letters, such as GET; names are case-sensitive")
    }
}

impl std::error::Error for NotAMethod {}

impl FromStr for Method {
    type Err = NotAMethod;

    fn from_str(text: &str) -> Result<Method, NotAMethod> {
        let token = !text.is_empty() && text.bytes().all(crate::fields::is_token_byte);
        if token && text.len() <= METHOD_MAX {
            Ok(Method::from_token(text))
        } else {
            Err(NotAMethod)
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_tokens() {
        for known in
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"]
        {
            let method: Method = known.parse().unwrap();
            assert!(!matches!(method, Method::Other(_)), "{known}");
            assert_eq!(method.as_str(), known);
        }
        assert_eq!("get".parse(), Ok(Method::Other("get".into())));
        for bad in ["", "GE T", "GET\r\n", "GÉT", &"X".repeat(33)] {
            assert_eq!(bad.parse::<Method>(), Err(NotAMethod), "{bad}");
        }
    }
}
