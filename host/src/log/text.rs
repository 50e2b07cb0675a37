//! Escaping and cutting of guests' texts: a [`GuestText`] is harmless, and its length is bounded.
//!
//! A text is cut, escaped and counted in one pass: an escape counts with all its characters. The rest is not read, so that a name
//! of seven megabytes costs no more than one of a few hundred bytes.

use std::fmt;
use std::fmt::{Display, Write};
use std::path::Path;

use crate::config::model::LogFormat;

/// The most bytes of a name: of a handler, a function, an import, an address or a path.
pub const NAME_BYTES: usize = 256;
/// The most bytes of a path that is shown to the user who has named it: the limit of the system.
pub const PATH_BYTES: usize = 4 << 10;
/// The most bytes of the engine's message about a trap, or about a component that does not fit.
pub const CAUSE_BYTES: usize = 512;
/// The most bytes of the output before a trap that is shown with it.
pub const LAST_WORDS_BYTES: usize = 1 << 10;
/// The most bytes of all frames of a trap.
pub const BACKTRACE_BYTES: usize = 3 << 10;

/// A text of a guest, or one that contains names of a guest: it cannot move the cursor, change colours or forge a line.
///
/// Only this module makes one. `Display` is the text; `Debug` adds quotes, as for fields of the log.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GuestText(Box<str>);

impl GuestText {
    /// A name, cut to [`NAME_BYTES`].
    pub fn name(text: impl Display) -> GuestText {
        GuestText::of(text, NAME_BYTES)
    }

    /// A path, cut to [`PATH_BYTES`].
    pub fn path(path: &Path) -> GuestText {
        GuestText::of(path.display(), PATH_BYTES)
    }

    /// An error message, cut to [`CAUSE_BYTES`].
    pub fn cause(text: impl Display) -> GuestText {
        GuestText::of(text, CAUSE_BYTES)
    }

    /// The first `bytes_max` bytes of a text, counted as they are written in quotes. The rest is not even formatted.
    pub fn of(text: impl Display, bytes_max: usize) -> GuestText {
        let mut gate = Gate { text: String::new(), left: bytes_max };
        // It fails when the text is full, which ends the formatting.
        let _ = write!(gate, "{text}");
        GuestText(gate.text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for GuestText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GuestText {
    /// Without the quotes for `{:#?}`, whose caller adds quotes itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.write_str(&self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if is_quoted(c) {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

/// Whether a character is escaped within quotes.
fn is_quoted(c: char) -> bool {
    c == '"' || c == '\\'
}

/// Escapes a text while it is formatted, until it is full.
struct Gate {
    text: String,
    left: usize,
}

impl Write for Gate {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let piece = Piece::of(c);
            let bytes = piece.len() + piece.clone().filter(|c| is_quoted(*c)).count();
            let Some(left) = self.left.checked_sub(bytes) else {
                // Shorter pieces after the cut are left out, too.
                self.left = 0;
                return Err(fmt::Error);
            };
            self.left = left;
            self.text.extend(piece);
        }
        Ok(())
    }
}

/// A character as it is written: itself, or its escape.
#[derive(Clone, Default)]
struct Piece {
    plain: Option<char>,
    escape: Option<std::char::EscapeDefault>,
}

impl Piece {
    fn of(c: char) -> Piece {
        if is_harmless(c) {
            Piece { plain: Some(c), escape: None }
        } else {
            Piece { plain: None, escape: Some(c.escape_default()) }
        }
    }

    /// Its bytes.
    fn len(&self) -> usize {
        self.plain.map_or(0, char::len_utf8)
            + self.escape.as_ref().map_or(0, ExactSizeIterator::len)
    }
}

impl Iterator for Piece {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        self.plain.take().or_else(|| self.escape.as_mut()?.next())
    }
}

/// Adds a line of a guest to `out`: escaped, and cut to `bytes_max` bytes as they are written. Invalid UTF-8 is replaced. Returns
/// whether it is whole. With `is_json` it is escaped for a JSON string.
///
/// `is_cut` says that `line` is only the beginning of a line, whose last character may be incomplete.
pub fn write_line(
    out: &mut Vec<u8>,
    line: &[u8],
    bytes_max: usize,
    is_cut: bool,
    format: LogFormat,
) -> bool {
    let begun = out.len();
    let room = |out: &Vec<u8>| bytes_max - (out.len() - begun);
    let is_json = format == LogFormat::Json;
    let is_plain = |c: char| is_harmless(c) && !(is_json && is_quoted(c));
    let mut rest = line.len();
    for chunk in line.utf8_chunks() {
        rest -= chunk.valid().len() + chunk.invalid().len();
        for piece in chunk.valid().split_inclusive(|c| !is_plain(c)) {
            let harmless = piece.trim_end_matches(|c| !is_plain(c));
            let kept = &harmless[..harmless.floor_char_boundary(room(out))];
            out.extend_from_slice(kept.as_bytes());
            if kept.len() < harmless.len() {
                return false;
            }
            for c in piece[harmless.len()..].chars() {
                let escape = c.escape_default();
                // An escape has its backslash already, except for the two characters that only JSON escapes.
                let more = usize::from(is_json && !is_harmless(c));
                if room(out) < escape.len() + more {
                    return false;
                }
                out.extend(std::iter::repeat_n(b'\\', more));
                out.extend(escape.map(|c| c as u8));
            }
        }
        let half = is_cut && rest == 0;
        if !chunk.invalid().is_empty() && !half {
            if room(out) < REPLACEMENT.len() {
                return false;
            }
            out.extend_from_slice(REPLACEMENT);
        }
    }
    !is_cut
}

/// Replaces invalid UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Whether a character may be written as it is.
pub fn is_harmless(c: char) -> bool {
    !c.is_control() && !is_direction(c)
}

/// Characters that change the direction of text, and line separators that are not control characters.
fn is_direction(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// A list of names as a text, which shows the first ones.
pub fn list(names: &[GuestText], separator: &str) -> String {
    joined(names.len(), names.iter().map(ToString::to_string), separator)
}

/// As [`list`], with commas between the names and quotes around each.
pub fn quoted_list(names: &[GuestText]) -> String {
    joined(names.len(), names.iter().map(|name| format!("{name:?}")), ", ")
}

fn joined(count: usize, names: impl Iterator<Item = String>, separator: &str) -> String {
    let text = names.take(LISTED_MAX).collect::<Vec<_>>().join(separator);
    match count.saturating_sub(LISTED_MAX) {
        0 => text,
        more => format!("{text}{separator}and {more} more"),
    }
}

/// The most names in a message.
const LISTED_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8], bytes_max: usize, is_cut: bool) -> (String, bool) {
        let mut out = b"> ".to_vec();
        let whole = write_line(&mut out, text, bytes_max, is_cut, LogFormat::Text);
        (String::from_utf8(out[2..].to_vec()).expect("UTF-8"), whole)
    }

    #[test]
    fn control_characters_are_shown_not_sent() {
        let check = |text: &str, expected: &str| {
            assert_eq!(line(text.as_bytes(), 1000, false), (expected.to_owned(), true));
            assert_eq!(GuestText::name(text).as_str(), expected);
        };
        check("plain äöü", "plain äöü");
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("one\ntwo\r", "one\\ntwo\\r");
        check("\u{202e}drow", "\\u{202e}drow");
        check("\u{9b}2J\0", "\\u{9b}2J\\u{0}");
        check("\u{61c}\u{2028}", "\\u{61c}\\u{2028}");
    }

    #[test]
    fn lines_are_cut_between_characters_and_escapes() {
        let check = |text: &str, max, expected: &str, whole| {
            assert_eq!(line(text.as_bytes(), max, false), (expected.to_owned(), whole), "{text:?}");
        };
        check("äöü", 3, "ä", false);
        check("abc", 10, "abc", true);
        check("abc", 3, "abc", true);
        check("a\u{1b}b", 7, "a\\u{1b}", false);
        check("a\u{1b}b", 6, "a", false);
        check("\u{1b}\u{1b}\u{1b}", 13, "\\u{1b}\\u{1b}", false);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(line(b"a\xff\xfeb", 100, false), ("a\u{fffd}\u{fffd}b".to_owned(), true));
        assert_eq!(line(b"\xff\xff", 4, false), ("\u{fffd}".to_owned(), false));
        // An incomplete character at a cut is no error of the guest.
        assert_eq!(line(b"a\xc3", 100, true), ("a".to_owned(), false));
        assert_eq!(line(b"a\xc3", 100, false), ("a\u{fffd}".to_owned(), true));
    }

    /// The JSON string has the same text, whatever it contains and wherever it is cut.
    #[test]
    fn a_line_of_json_says_what_a_line_of_text_does() {
        let every_character: String = (0..0x2100).filter_map(char::from_u32).collect();
        for text in
            ["", "plain ü", "\"\\\"", "{\"a\":\"\\u0041\"}", "\u{1b}[2J\r", &every_character]
        {
            for max in [0, 1, 2, 5, 6, 7, 8, 100, 1 << 20] {
                let mut json = Vec::new();
                let whole = write_line(&mut json, text.as_bytes(), max, false, LogFormat::Json);
                assert!(json.len() <= max, "{text:?} {max}");
                let quoted = format!("\"{}\"", String::from_utf8(json).expect("UTF-8"));
                let said: String = serde_json::from_str(&quoted).expect("a string of JSON");
                let (shown, _) = line(text.as_bytes(), 1 << 20, false);
                assert!(shown.starts_with(&said), "{text:?} {max}: {said}");
                assert_eq!(whole, said == shown, "{text:?} {max}");
            }
        }
    }

    #[test]
    fn a_text_counts_as_it_is_written_in_quotes() {
        for text in ["\u{1b}", "\\", "\"", "x", "ü", "\u{202e}", "\0", "a\nb\\c\"d"] {
            let long = text.repeat(10_000);
            for max in [0, 1, 7, 100, NAME_BYTES] {
                let kept = format!("{:?}", GuestText::of(&long, max));
                assert!(kept.len() <= max + 2, "{text:?}: {kept}");
                assert!(max < 12 || max / 2 < kept.len(), "{text:?}: {kept}");
            }
        }
        assert_eq!(format!("{:?}", GuestText::name("a\"b\\c\u{1b}")), r#""a\"b\\c\\u{1b}""#);
    }

    #[test]
    fn what_is_left_out_is_not_formatted() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("again ")?;
                }
            }
        }
        assert_eq!(GuestText::of(Endless, 8).as_str(), "again ag");
    }

    #[test]
    fn a_long_list_is_counted() {
        let names: Vec<GuestText> = (0..25).map(GuestText::name).collect();
        assert!(list(&names, ", ").ends_with("18, 19, and 5 more"));
        assert_eq!(list(&names[..2], "; "), "0; 1");
        assert_eq!(quoted_list(&names[..2]), r#""0", "1""#);
    }
}
