//! Parts of a body (RFC 9110, section 14): one range of bytes.

use std::{ops::Range, time::SystemTime};

use crate::{
    conditional::{Validators, is_same_strongly},
    date,
    fields::number,
    headers::Headers,
};

/// Which part of a body a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: no range was asked for, or one that this side may ignore, such as several at once.
    Whole,
    /// These bytes: 206, with [`content_range`].
    Bytes(Range<u64>),
    /// None that is there: 416, with `Content-Range: bytes */SIZE`.
    Unsatisfiable,
}

/// What of a body of `size` bytes to send to a `GET` with such fields.
#[must_use]
pub fn requested(headers: &Headers, size: u64, validators: Validators<'_>) -> Part {
    let Some(wanted) = headers.get("range").and_then(of_bytes) else { return Part::Whole };
    if !is_still(headers, validators) || wanted.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = wanted.trim().split_once('-') else { return Part::Whole };
    let (first, last) = (first.trim(), last.trim());
    let read = |text: &str| number(text.as_bytes());
    match (first.is_empty(), read(first), last.is_empty(), read(last)) {
        // A suffix: the number of bytes at the end.
        (true, _, false, Some(count)) => satisfiable(size.saturating_sub(count)..size),
        (false, Some(first), true, _) => satisfiable(first..size),
        (false, Some(first), false, Some(last)) if first <= last => {
            satisfiable(first..size.min(last.saturating_add(1)))
        }
        _ => Part::Whole,
    }
}

/// What follows `bytes=`; the name of the unit in any case (RFC 9110, 14.1).
fn of_bytes(value: &str) -> Option<&str> {
    let (unit, wanted) = value.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(wanted)
}

fn satisfiable(range: Range<u64>) -> Part {
    if range.is_empty() { Part::Unsatisfiable } else { Part::Bytes(range) }
}

/// Whether the client's other parts are of the same body, as far as it asks with `If-Range`.
fn is_still(headers: &Headers, validators: Validators<'_>) -> bool {
    let Some(condition) = headers.get("if-range") else { return true };
    if condition.starts_with('"') || condition.starts_with("W/") {
        return validators.etag.is_some_and(|etag| is_same_strongly(condition, etag));
    }
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    date::parse(condition).and_then(seconds).is_some_and(|asked| {
        validators.modified.and_then(seconds).is_some_and(|modified| modified == asked)
    })
}

/// The value of `Content-Range` for a part.
#[must_use]
pub fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

/// The value of `Content-Range` for 416.
#[must_use]
pub fn unsatisfied(size: u64) -> String {
    format!("bytes */{size}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, size: u64, expected: Part) {
        let mut headers = Headers::new();
        headers.append("Range", range).unwrap();
        let part = requested(&headers, size, Validators::default());
        assert_eq!((range, part), (range, expected));
    }

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        check("bytes=0-0", 10, Part::Bytes(0..1));
        check("bytes=2-5", 10, Part::Bytes(2..6));
        check("Bytes=2-5", 10, Part::Bytes(2..6));
        check("bytes=2-", 10, Part::Bytes(2..10));
        check("bytes=-3", 10, Part::Bytes(7..10));
        check("bytes=-30", 10, Part::Bytes(0..10));
        check("bytes=8-18446744073709551615", 10, Part::Bytes(8..10));
        for none in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            check(none, 10, Part::Unsatisfiable);
        }
        check("bytes=0-", 0, Part::Unsatisfiable);
        for whole in [
            "",
            "0-1",
            "=0-1",
            "lines=0-1",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=0-1,3-4",
        ] {
            check(whole, 10, Part::Whole);
        }
    }

    #[test]
    fn another_body_is_sent_whole() {
        let check = |condition: &str, expected: Part| {
            let mut headers = Headers::new();
            headers.append("Range", "bytes=1-2").unwrap();
            headers.append("If-Range", condition).unwrap();
            let modified = date::parse("Sun, 06 Nov 1994 08:49:37 GMT");
            let validators = Validators { etag: Some("\"a\""), modified };
            assert_eq!(requested(&headers, 10, validators), expected, "{condition}");
        };
        check("\"a\"", Part::Bytes(1..3));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Part::Bytes(1..3));
        for other in ["\"b\"", "W/\"a\"", "Sun, 06 Nov 1994 08:49:38 GMT", "x"] {
            check(other, Part::Whole);
        }
    }

    #[test]
    fn parts_are_named() {
        assert_eq!(content_range(&(2..6), 10), "bytes 2-5/10");
        assert_eq!(unsatisfied(10), "bytes */10");
    }
}
