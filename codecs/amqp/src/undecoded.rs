//! Texts that are not UTF-8.
//!
//! AMQP says that short strings are UTF-8, and brokers hand on whatever bytes were published: a UUID as sixteen bytes,
//! a name in Latin-1. In the fields of a message such bytes are replaced; here they are as they came.

/// What a short string may have.
const SHORT: usize = 255;

/// The texts of a message that are not UTF-8, as they came, by AMQP's names of them: `correlation-id`, `routing-key`,
/// `exchange` …. Names of headers are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undecoded(Vec<(&'static str, Vec<u8>)>);

impl Undecoded {
    /// The bytes of the text with this name, if they are not UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, bytes)| bytes)
    }

    /// Name and bytes of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (*name, bytes.as_slice()))
    }

    /// Whether every text is UTF-8.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of these bytes. If they are not UTF-8, they are kept.
    pub(crate) fn decode(&mut self, name: &'static str, bytes: &[u8]) -> String {
        if std::str::from_utf8(bytes).is_err() {
            self.0.push((name, bytes.to_vec()));
        }
        decode(bytes)
    }

    pub(crate) fn extend(&mut self, other: Undecoded) {
        self.0.extend(other.0);
    }
}

/// The text of these bytes, with U+FFFD for invalid UTF-8; no longer than a short string may be.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    text.truncate(text.floor_char_boundary(SHORT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf_8_is_replaced_and_kept() {
        let check = |bytes: &[u8], text: &str| {
            let mut undecoded = Undecoded::default();
            assert_eq!(undecoded.decode("x", bytes), text);
            let kept = std::str::from_utf8(bytes).is_err().then_some(bytes);
            assert_eq!(undecoded.get("x"), kept);
            assert_eq!(undecoded.get("y"), None);
        };
        check(b"", "");
        check("caf\u{e9}".as_bytes(), "caf\u{e9}");
        check(b"caf\xe9", "caf\u{fffd}");
        check(b"\x9c\x80\xff\x01", "\u{fffd}\u{fffd}\u{fffd}\x01");
        check(&[0xFF; 255], &"\u{fffd}".repeat(85));
    }
}
