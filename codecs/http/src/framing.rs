//! The fields of a head that concern the whole message: its host, its length, whether the connection is kept alive.
//!
//! Request smuggling is refused here: where two programs could find the end of a body at different positions, the
//! head is an error; no reading is preferred.

use std::borrow::Cow;

use http::Version;

use crate::{fields::list, headers::Headers};

/// The values of the fields that matter to framing, gathered in one pass.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    pub host: Single<&'a [u8]>,
    pub length: Single<&'a [u8]>,
    pub coding: Coding,
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
    pub expect: Option<&'a [u8]>,
}

/// A field that may occur once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Single<T> {
    #[default]
    Absent,
    Value(T),
    Repeated,
}

impl<T> Single<T> {
    fn see(&mut self, value: T) {
        *self = match self {
            Single::Absent => Single::Value(value),
            Single::Value(_) | Single::Repeated => Single::Repeated,
        };
    }
}

/// The value of all fields `Transfer-Encoding` together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// The field is not there.
    #[default]
    None,
    /// `chunked` and nothing else.
    Chunked,
    /// `identity` and nothing else: a name for no coding, which HTTP had once.
    Identity,
    /// Another coding, which is not supported here, then `chunked`.
    Unknown,
    /// `chunked` is absent, not last, or there twice: both sides cannot agree on the end of the body.
    Endless { chunked: bool },
}

impl Coding {
    fn then(self, coding: &[u8]) -> Coding {
        let chunked = coding.eq_ignore_ascii_case(b"chunked");
        let identity = coding.eq_ignore_ascii_case(b"identity");
        match self {
            Coding::None if chunked => Coding::Chunked,
            Coding::None | Coding::Identity if identity => Coding::Identity,
            Coding::Identity | Coding::Endless { chunked: false } if chunked => Coding::Unknown,
            Coding::None | Coding::Identity | Coding::Endless { chunked: false } => {
                Coding::Endless { chunked: false }
            }
            Coding::Chunked | Coding::Unknown | Coding::Endless { chunked: true } => {
                Coding::Endless { chunked: true }
            }
        }
    }
}

impl<'a> Facts<'a> {
    pub(crate) fn of(headers: &'a Headers) -> Facts<'a> {
        let mut facts = Facts::default();
        for (name, value) in headers.iter() {
            // Few names have these lengths, so few are compared.
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => facts.host.see(value),
                6 if name.eq_ignore_ascii_case("expect") => facts.expect = Some(value),
                10 if name.eq_ignore_ascii_case("connection") => facts.connection(value),
                14 if name.eq_ignore_ascii_case("content-length") => facts.length.see(value),
                17 if name.eq_ignore_ascii_case("transfer-encoding") => facts.transfer(value),
                _ => {}
            }
        }
        facts
    }

    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    fn transfer(&mut self, value: &[u8]) {
        self.coding = list(value).fold(self.coding, Coding::then);
    }
}

/// A head of a later HTTP/1 than there is, as one of HTTP/1.1 (RFC 9110, 2.5). `minor` is where the digit stands.
pub(crate) fn as_known_version(head: &[u8], minor: usize) -> Cow<'_, [u8]> {
    let is_later = head.get(minor).is_some_and(|digit| matches!(digit, b'2'..=b'9'));
    if !is_later || !head[..minor].ends_with(b"HTTP/1.") {
        return Cow::Borrowed(head);
    }
    let mut known = head.to_vec();
    known[minor] = b'1';
    Cow::Owned(known)
}

/// The version with this digit after `HTTP/1.`.
pub(crate) fn version(minor: u8) -> Version {
    if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_comes_last_and_once() {
        let check = |values: &[&str], expected: Coding| {
            let mut headers = Headers::new();
            for value in values {
                headers.append("Transfer-Encoding", value).unwrap();
            }
            assert_eq!(Facts::of(&headers).coding, expected, "{values:?}");
        };
        check(&[], Coding::None);
        check(&["chunked"], Coding::Chunked);
        check(&["Chunked"], Coding::Chunked);
        check(&["gzip, chunked"], Coding::Unknown);
        check(&["gzip", "chunked"], Coding::Unknown);
        check(&["identity"], Coding::Identity);
        check(&["Identity, identity", "IDENTITY"], Coding::Identity);
        check(&["identity, chunked"], Coding::Unknown);
        for endless in [
            "",
            "identity,",
            "identity, gzip",
            "gzip, identity",
            "gzip",
            "xchunked",
            "chunked;q=1",
            "\"chunked\"",
        ] {
            check(&[endless], Coding::Endless { chunked: false });
        }
        for endless in ["chunked, chunked", "chunked, gzip", "chunked,", "gzip, chunked, chunked"] {
            check(&[endless], Coding::Endless { chunked: true });
        }
        check(&["chunked", "chunked"], Coding::Endless { chunked: true });
        check(&["chunked", "identity"], Coding::Endless { chunked: true });
    }
}
