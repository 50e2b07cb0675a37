//! `LineText2`: what EventMachine's own tests (`test_ltp2.rb`) expect, and the same however the bytes are cut.

use sandloop_frames::lines::{LineDecoder, LineError, LineEvent, LineLimits};

use crate::feed::each_way;

/// What whoever is given an event does then.
type React = fn(&mut LineDecoder, &LineEvent);

const LIMITS: LineLimits = LineLimits { line: 10, binary: 1000 };

fn nothing(_: &mut LineDecoder, _: &LineEvent) {}

/// The events as words: `line`, `=block`, `.` for a block's end, `!` and the error, `~rest` at the end. Pieces of a block
/// without a size are put together, since their cuts are nobody's promise.
fn outcome(pieces: &[&[u8]], begin: fn(&mut LineDecoder), react: React) -> Vec<String> {
    let mut decoder = LineDecoder::new(LIMITS);
    begin(&mut decoder);
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for piece in pieces {
        let mut input = *piece;
        loop {
            let event = match decoder.decode(&mut input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    words.push(format!("!{error}"));
                    continue;
                }
            };
            react(&mut decoder, &event);
            let was_open = std::mem::replace(&mut is_open, matches!(event, LineEvent::Binary(_)));
            match (&event, words.last_mut()) {
                (LineEvent::Line(line), _) => words.push(line.escape_ascii().to_string()),
                (LineEvent::Binary(block), Some(last)) if was_open => {
                    last.push_str(&block.escape_ascii().to_string());
                }
                (LineEvent::Binary(block), _) => words.push(format!("={}", block.escape_ascii())),
                (LineEvent::BinaryEnd, _) => words.push(".".to_owned()),
            }
        }
    }
    words.extend(decoder.finish().map(|rest| format!("~{}", rest.escape_ascii())));
    words
}

#[track_caller]
fn check(begin: fn(&mut LineDecoder), react: React, bytes: &[u8], expected: &[&str]) {
    let words = each_way(bytes, |pieces| outcome(pieces, begin, react));
    assert_eq!(words, expected, "{}", bytes.escape_ascii());
}

fn too_long(max: usize) -> String {
    format!("!{}", LineError::LineTooLong { max })
}

#[test]
fn lines_end_with_a_newline() {
    let lines = |bytes: &[u8], expected: &[&str]| check(|_| {}, nothing, bytes, expected);
    lines(b"Line 1\nLine 2\r\nLine 3\n", &["Line 1", "Line 2", "Line 3"]);
    lines(b"\n\r\n\na", &["", "", ""]);
    // One `\r`, and only at the end.
    lines(b"a\r\r\nb\rc\n\rd\n", &["a\\r", "b\\rc", "\\rd"]);
    lines(b"\0\xff\n", &["\\x00\\xff"]);
    lines(b"no end", &[]);
}

#[test]
fn a_delimiter_is_any_bytes() {
    let by = |begin: fn(&mut LineDecoder), bytes: &[u8], expected: &[&str]| {
        check(begin, nothing, bytes, expected);
    };
    by(|d| d.set_delimiter(b"012"), b"Line012Line012Line012Line", &["Line", "Line", "Line"]);
    // The beginning of a delimiter inside a line, and in front of one.
    by(|d| d.set_delimiter(b"aab"), b"xaaaabaabaab", &["xaa", "", ""]);
    by(|d| d.set_delimiter(b"\r\n\r\n"), b"a\r\n\r\r\n\r\nb\r\n\r\n", &["a\\r\\n\\r", "b"]);
    by(|d| d.set_delimiter(b"\0"), b"a\r\0\n\0", &["a\\r", "\\n"]);
    // A `\r` is part of a line unless the delimiter is `\n`.
    by(|d| d.set_delimiter(b"\n\n"), b"a\r\n\nb\n\n", &["a\\r", "b"]);
}

#[test]
fn a_delimiter_may_change_with_each_line() {
    let begin: fn(&mut LineDecoder) = |d| d.set_delimiter(b"A");
    let next: React = |decoder, event| {
        if let LineEvent::Line(line) = event {
            let next = line.last().map_or(b'A', |last| last.to_ascii_uppercase() + 1);
            decoder.set_delimiter(&[next]);
        }
    };
    check(begin, next, b"LineaALinebBLinecCLinedD", &["Linea", "Lineb", "Linec", "Lined"]);
}

#[test]
fn blocks_stand_between_lines() {
    let ten: React = |decoder, event| {
        if *event == LineEvent::Line(Vec::new()) {
            decoder.set_text_mode(10);
        }
    };
    let bytes = b"Line 1\nLine 2\n\n0000\n00000Line 3\nLine 4\n\n12";
    let expected = ["Line 1", "Line 2", "", "=0000\\n00000", ".", "Line 3", "Line 4", "", "~12"];
    check(|_| {}, ten, bytes, &expected);
    // A block on a block, set when it comes or when it ends.
    let chain: React = |decoder, event| match event {
        LineEvent::Binary(block) if block.len() == 3 => decoder.set_text_mode(2),
        LineEvent::BinaryEnd => decoder.set_text_mode(1),
        _ => {}
    };
    check(
        |d| d.set_text_mode(3),
        chain,
        b"aaabbc",
        &["=aaa", ".", "=b", ".", "=b", ".", "=c", "."],
    );
    // One of nothing is none.
    check(|d| d.set_text_mode(0), nothing, b"a\n", &["a"]);
}

#[test]
fn a_block_that_is_cut_off_is_given_at_the_end_and_a_line_is_not() {
    check(|d| d.set_text_mode(1000), nothing, &[b'0'; 500], &[&format!("~{}", "0".repeat(500))]);
    check(|d| d.set_text_mode(1000), nothing, b"", &[]);
    check(|d| d.set_text_mode(None), nothing, b"abc", &["=abc"]);
}

/// Nothing waits for more where nobody has said how much there is.
#[test]
fn a_block_without_a_size_is_given_as_it_comes() {
    let bytes = b"X\0".repeat(1000);
    for size in [1, 7, bytes.len()] {
        let mut decoder = LineDecoder::new(LIMITS);
        decoder.set_text_mode(None);
        let pieces: Vec<_> = bytes.chunks(size).collect();
        let given = crate::feed::feed(&pieces, |input| decoder.decode(input));
        let each = pieces.iter().map(|piece| Ok(LineEvent::Binary(piece.to_vec())));
        assert_eq!(given, each.collect::<Vec<_>>(), "in pieces of {size}");
    }
}

#[test]
fn what_is_thrown_back_is_read_first() {
    // Takes five bytes of whatever comes, and leaves the rest to lines.
    let throw: React = |decoder, event| {
        if let LineEvent::Binary(block) = event
            && let Some(at) = block.iter().position(|byte| *byte == b'!')
        {
            decoder.set_line_mode(&block[at + 1..]);
        }
    };
    // The event has what was thrown back, too: only what is before `!` is compared.
    for size in 1..10 {
        let bytes = b"12345!one\ntwo\nthr";
        let pieces: Vec<_> = bytes.chunks(size).collect();
        let words = outcome(&pieces, |d| d.set_text_mode(None), throw);
        assert!(words[0].starts_with("=12345"), "{words:?}");
        assert_eq!(words[1..], ["one", "two"], "in pieces of {size}");
    }
    // Before what has come already.
    let again: React = |decoder, event| {
        if *event == LineEvent::Line(b"again".to_vec()) {
            decoder.set_line_mode(b"x\ny\nz");
        }
    };
    check(|_| {}, again, b"again\nlast\n", &["again", "x", "y", "zlast"]);
}

#[test]
fn a_mode_set_between_pieces_loses_nothing() {
    let mut decoder = LineDecoder::new(LIMITS);
    let all = |decoder: &mut LineDecoder, bytes: &[u8]| {
        crate::feed::feed(&[bytes], |input| decoder.decode(input))
    };
    assert_eq!(all(&mut decoder, b"beg"), []);
    decoder.set_text_mode(4);
    assert!(decoder.is_due());
    assert_eq!(
        all(&mut decoder, b"i"),
        [Ok(LineEvent::Binary(b"begi".to_vec())), Ok(LineEvent::BinaryEnd)]
    );
    assert_eq!(all(&mut decoder, b"a;b;"), []);
    decoder.set_delimiter(b";");
    assert_eq!(
        all(&mut decoder, b""),
        [Ok(LineEvent::Line(b"a".to_vec())), Ok(LineEvent::Line(b"b".to_vec()))]
    );
    decoder.set_text_mode(9);
    assert_eq!(all(&mut decoder, b"c;d"), []);
    decoder.set_line_mode(b"");
    assert_eq!(
        all(&mut decoder, b";"),
        [Ok(LineEvent::Line(b"c".to_vec())), Ok(LineEvent::Line(b"d".to_vec()))]
    );
}

#[test]
fn lines_and_blocks_have_a_bound() {
    let ten = "0123456789";
    let lines = |bytes: String, expected: &[&str]| {
        check(|_| {}, nothing, bytes.as_bytes(), expected);
    };
    lines(format!("{ten}\n{ten}\r\n"), &[ten, ten]);
    lines(format!("a\n{ten}x\nb\n"), &["a", &too_long(10)]);
    lines(format!("{ten}\r\r\nb\n"), &[&too_long(10)]);
    lines(format!("{ten}xyz"), &[&too_long(10)]);
    let by_three: fn(&mut LineDecoder) = |d| d.set_delimiter(b"abc");
    check(by_three, nothing, format!("{ten}abc{ten}ab").as_bytes(), &[ten]);
    check(by_three, nothing, format!("{ten}xabc").as_bytes(), &[&too_long(10)]);
    let large = LineError::BinaryTooLarge { size: 1001, max: 1000 };
    check(|d| d.set_text_mode(1001), nothing, b"a\n", &[&format!("!{large}")]);
    check(|d| d.set_text_mode(1000), nothing, b"", &[]);
    check(|d| d.set_delimiter(b""), nothing, b"a\n", &[&format!("!{}", LineError::EmptyDelimiter)]);
}

#[test]
fn an_error_is_told_once_and_is_the_last() {
    let mut decoder = LineDecoder::new(LIMITS);
    decoder.set_text_mode(usize::MAX);
    decoder.set_line_mode(b"thrown\n");
    assert!(decoder.is_due());
    assert!(decoder.decode(&mut &b"a\n"[..]).is_err());
    decoder.set_text_mode(1);
    decoder.set_delimiter(b"");
    assert!(!decoder.is_due());
    assert_eq!(decoder.decode(&mut &b"a\n"[..]), Ok(None));
    assert_eq!(decoder.finish(), None);
}
