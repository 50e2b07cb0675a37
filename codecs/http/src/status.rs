//! What a status code means for a message, beyond the methods of its type.

use http::StatusCode;

/// Whether another answer follows one with this status: 1xx but for 101, with which another protocol follows.
#[must_use]
pub fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// Whether the message ends with the head whatever the fields say: 1xx, 204, 304. An answer with status 205 has no
/// content either, but a length, which is zero.
#[must_use]
pub fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status.as_u16(), 204 | 304)
}

/// Whether `Location` has another URI to ask: 301, 302, 303, 307, 308. The other 3xx mean something else.
#[must_use]
pub fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The reason phrase: that of IANA's registry, or `Unknown`.
#[must_use]
pub fn reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        // The crate `http` still has the words of older RFCs for these.
        203 => "Non-Authoritative Information",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or("Unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_are_those_of_the_registry() {
        let check = |code: u16, words: &str| {
            assert_eq!(reason(StatusCode::from_u16(code).unwrap()), words);
        };
        check(200, "OK");
        check(203, "Non-Authoritative Information");
        check(413, "Content Too Large");
        check(422, "Unprocessable Content");
        check(508, "Loop Detected");
        check(999, "Unknown");
    }

    #[test]
    fn redirects_have_a_location_and_some_answers_no_body() {
        let codes = |is_it: fn(StatusCode) -> bool| -> Vec<u16> {
            (200..=999).filter(|code| is_it(StatusCode::from_u16(*code).unwrap())).collect()
        };
        assert_eq!(codes(is_redirect), [301, 302, 303, 307, 308]);
        assert_eq!(codes(is_bodiless), [204, 304]);
        assert!(is_bodiless(StatusCode::CONTINUE));
        let interim: Vec<u16> =
            (100..=999).filter(|code| is_interim(StatusCode::from_u16(*code).unwrap())).collect();
        assert_eq!(interim, [vec![100], (102..=199).collect()].concat());
    }
}
