//! Percent-encoding, and the pairs of queries and forms.

/// Percent-encoded text as bytes; none if a `%` is not followed by two hexadecimal digits.
#[must_use]
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            plain => plain,
        });
    }
    Some(decoded)
}

/// Percent-encodes all characters but letters, digits and `-._~`, so that the text can be any part of a URI.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        push_encoded(&mut encoded, byte, |byte| {
            byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
        });
    }
    encoded
}

/// Name and value of each pair of a query or a form: `a=1&b=two+words`. Malformed encodings are taken literally.
pub fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (word(name), word(value))
    })
}

/// Writes pairs as a query or a form.
#[must_use]
pub fn encode<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text += &percent_encode(name.as_ref());
        text.push('=');
        text += &percent_encode(value.as_ref());
    }
    text
}

/// Adds a byte, encoded unless it is plain.
pub(crate) fn push_encoded(text: &mut String, byte: u8, plain: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if plain(byte) {
        text.push(char::from(byte));
    } else {
        text.push('%');
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn word(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(&spaced);
    decoded.map_or(spaced, |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    let digit = char::from(digit).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_and_decoded() {
        let check = |text: &str, encoded: &str| {
            assert_eq!(percent_encode(text), encoded);
            assert_eq!(percent_decode(encoded).as_deref(), Some(text.as_bytes()));
        };
        check("", "");
        check("a-B._~9", "a-B._~9");
        check("/ ?&=é%", "%2F%20%3F%26%3D%C3%A9%25");
        for bad in ["%", "%1", "%zz", "%+1", "a%é"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn pairs_are_read_and_written() {
        let read: Vec<_> = pairs("a=1&&b=two+words&c&d=%26=&e=%zz").collect();
        let expected = [("a", "1"), ("b", "two words"), ("c", ""), ("d", "&="), ("e", "%zz")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, expected);
        assert_eq!(encode([("a", "1"), ("b c", "d&e")]), "a=1&b%20c=d%26e");
    }
}
