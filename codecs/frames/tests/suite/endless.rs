//! Peers that never come to an end, and lengths that are only claimed: what is held has a bound.

use sandloop_frames::{
    content::{ContentDecoder, ContentLimits},
    lines::{LineDecoder, LineLimits},
    netstring::NetstringDecoder,
    prefixed::PrefixedDecoder,
};
use sandloop_testkit::heap::{Counting, peak_of};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Feeds a beginning and then 1 MiB of the same.
#[track_caller]
fn check<T, E>(
    begin: &[u8],
    again: &[u8],
    bound: isize,
    mut decode: impl FnMut(&mut &[u8]) -> Result<Option<T>, E>,
) {
    let block = again.repeat(4096 / again.len() + 1);
    let peak = peak_of(|| {
        for piece in std::iter::once(begin).chain(std::iter::repeat_n(&*block, 256)) {
            let mut input = piece;
            while let Ok(Some(_)) = decode(&mut input) {}
        }
    });
    let (begin, again) = (begin.escape_ascii(), again.escape_ascii());
    assert!(peak < bound, "{begin} and {again} for ever held {peak} bytes");
}

/// A buffer that grows holds the old one and the new one for a moment.
const GROWTH: isize = 3;

#[test]
fn endless_lines() {
    let limits = LineLimits { line: 1000, binary: 10_000 };
    for (begin, again) in [(&b""[..], &b"a"[..]), (b"", b"\r"), (b"", b"\n"), (b"a\n", b"ab\r\n")] {
        let mut decoder = LineDecoder::new(limits);
        check(begin, again, GROWTH * 1000 + 1000, |input| decoder.decode(input));
        let mut decoder = LineDecoder::new(limits);
        decoder.set_delimiter(b"\r\n\r\n");
        check(begin, again, GROWTH * 1000 + 1000, |input| decoder.decode(input));
        let mut decoder = LineDecoder::new(limits);
        decoder.set_text_mode(None);
        check(begin, again, 3 * 4096, |input| decoder.decode(input));
        let mut decoder = LineDecoder::new(limits);
        decoder.set_text_mode(10_000);
        check(begin, again, GROWTH * 10_000 + 4000, |input| decoder.decode(input));
    }
}

#[test]
fn endless_requests() {
    let limits = ContentLimits { line: 1000, headers: 5000, content: 10_000 };
    let cases: [(&[u8], &[u8], isize); 6] = [
        (b"", b"a", 4000),
        (b"", b"\n", 4000),
        // Each line is a vector of its own: what its bytes need twenty times, if it has one.
        (b"", b"a\n", 40 * 5000),
        (b"", b"A\n\n", 4000),
        (b"A\nContent-Length: 10000\n\n", b"a", GROWTH * 10_000 + 8000),
        (b"A\nContent-Length: 99999999999\n\n", b"a", 4000),
    ];
    for (begin, again, bound) in cases {
        let mut decoder = ContentDecoder::new(limits);
        check(begin, again, bound, |input| decoder.decode(input));
    }
}

#[test]
fn a_length_that_is_claimed_costs_nothing() {
    let peak = peak_of(|| {
        let mut decoder = PrefixedDecoder::new(usize::MAX);
        assert_eq!(decoder.decode(&mut &b"\xff\xff\xff\xffabc"[..]), Ok(None));
        let mut decoder = NetstringDecoder::new(usize::MAX);
        assert_eq!(decoder.decode(&mut &b"4294967295:abc"[..]), Ok(None));
        let mut decoder = LineDecoder::new(LineLimits { line: usize::MAX, binary: usize::MAX });
        decoder.set_text_mode(usize::MAX);
        assert_eq!(decoder.decode(&mut &b"abc"[..]), Ok(None));
    });
    assert!(peak < 1024, "{peak} bytes");
}

#[test]
fn endless_frames() {
    for (begin, again) in [(&b""[..], &b"\0"[..]), (b"", b"\0\0\0\x01a"), (b"\0\0\x27\x10", b"a")] {
        let mut decoder = PrefixedDecoder::new(10_000);
        check(begin, again, GROWTH * 10_000 + 4000, |input| decoder.decode(input));
    }
    for (begin, again) in [(&b""[..], &b"1"[..]), (b"", b"0:,"), (b"10000:", b"a"), (b"", b"0")] {
        let mut decoder = NetstringDecoder::new(10_000);
        check(begin, again, GROWTH * 10_000 + 4000, |input| decoder.decode(input));
    }
}
