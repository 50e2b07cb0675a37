//! Header fields in their order.

mod map;

use std::{fmt, str};

use crate::fields::{is_token_byte, is_value_byte, list, trim};

/// The fields of a head, or trailers.
///
/// Names are compared without regard to case, but keep it. The fields keep their order, in which they are also sent.
/// A name may occur several times.
#[derive(Clone, Default)]
pub struct Headers {
    /// Names and values, one after the other. Replaced and removed ones stay in it.
    text: Vec<u8>,
    fields: Vec<Field>,
}

/// The positions of a field in the text.
#[derive(Clone, Copy)]
struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

/// Far above the size of any head, and below the range of the positions.
const TEXT_MAX: usize = 1 << 24;

/// Why a field was refused. The headers are unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// The name is not one or more letters, digits and ``!#$%&'*+-.^_`|~``.
    Name(String),
    /// The value of this field has a control character. A line break in a value could inject fields.
    Value(String),
    /// All fields together would be larger than 16 MiB.
    TooLarge(String),
    /// Only the library sets this field.
    Reserved(String),
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldError::Name(name) => write!(
                f,
                "{name:?} is no header's name: use letters, digits and hyphens, without spaces or a colon"
            ),
            FieldError::Value(name) => write!(
                f,
                "the value of `{name}` has a line break or another control character: remove or encode it"
            ),
            FieldError::TooLarge(name) => {
                write!(
                    f,
                    "the headers with `{name}` would be larger than 16 MiB: send it as a body"
                )
            }
            FieldError::Reserved(name) => write!(
                f,
                "`{name}` follows from the body and the request: leave it out, or say it with the method for it"
            ),
        }
    }
}

impl std::error::Error for FieldError {}

impl Headers {
    /// Without fields.
    #[must_use]
    pub const fn new() -> Headers {
        Headers { text: Vec::new(), fields: Vec::new() }
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The first value with this name, if it is text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.get_bytes(name)?).ok()
    }

    /// The first value with this name.
    #[must_use]
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every value with this name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether there is a field with this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get_bytes(name).is_some()
    }

    /// Whether one of the comma-separated lists with this name has this member, without regard to case.
    #[must_use]
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        self.get_all(name).flat_map(list).any(|one| one.eq_ignore_ascii_case(member.as_bytes()))
    }

    /// Name and value of each field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (self.name(field), self.slice(field.value)))
    }

    /// Adds a field at the end. Spaces at the ends of the value are not part of it.
    ///
    /// # Errors
    /// A name or a value that HTTP does not allow, see [`FieldError`].
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let field = self.push(name, value.as_ref())?;
        self.fields.push(field);
        Ok(())
    }

    /// Replaces every field with this name by one, which takes the place of the first.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let field = self.push(name, value.as_ref())?;
        let place = self.fields.iter().position(|known| self.is_named(known, name));
        match place {
            None => self.fields.push(field),
            Some(place) => {
                self.fields[place] = field;
                let mut rest = self.fields.split_off(place + 1);
                rest.retain(|known| !self.is_named(known, name));
                self.fields.append(&mut rest);
            }
        }
        Ok(())
    }

    /// Removes every field with this name. True if there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.fields.len();
        let mut fields = std::mem::take(&mut self.fields);
        fields.retain(|known| !self.is_named(known, name));
        self.fields = fields;
        self.fields.len() < before
    }

    /// Creates fields parsed from `text`. The text is copied as a whole, to allocate once for all fields.
    pub(crate) fn from_parsed(text: &[u8], parsed: &[httparse::Header<'_>]) -> Headers {
        // The slices of `parsed` lie in `text`, whose size is bounded far below 4 GiB.
        let place = |part: &[u8]| {
            let start = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
            if text.len() < start { (0, 0) } else { span(start, part.len()) }
        };
        let fields = parsed
            .iter()
            .map(|field| Field { name: place(field.name.as_bytes()), value: place(field.value) })
            .collect();
        Headers { text: text.to_vec(), fields }
    }

    /// Replaces every line break inside a value by a space. Only old servers send them.
    pub(crate) fn unfold(&mut self) {
        for index in 0..self.fields.len() {
            let (start, end) = self.fields[index].value;
            for byte in &mut self.text[start as usize..end as usize] {
                if matches!(byte, b'\r' | b'\n') {
                    *byte = b' ';
                }
            }
        }
    }

    fn push(&mut self, name: &str, value: &[u8]) -> Result<Field, FieldError> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(FieldError::Name(shown(name)));
        }
        let value = trim(value);
        if !value.iter().copied().all(is_value_byte) {
            return Err(FieldError::Value(shown(name)));
        }
        let start = self.text.len();
        if TEXT_MAX < start.saturating_add(name.len()).saturating_add(value.len()) {
            return Err(FieldError::TooLarge(shown(name)));
        }
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(value);
        Ok(Field { name: span(start, name.len()), value: span(start + name.len(), value.len()) })
    }

    fn is_named(&self, field: &Field, name: &str) -> bool {
        self.name(field).eq_ignore_ascii_case(name)
    }

    fn name(&self, field: &Field) -> &str {
        // Only tokens are ever stored as names.
        str::from_utf8(self.slice(field.name)).unwrap_or_default()
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.text[start as usize..end as usize]
    }
}

fn span(start: usize, length: usize) -> (u32, u32) {
    let bound = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    (bound(start), bound(start + length))
}

/// The beginning of a name, for an error message.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| (name, value.escape_ascii().to_string()));
        f.debug_map().entries(fields).finish()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value).unwrap();
        }
        headers
    }

    #[test]
    fn names_are_found_in_any_case_and_order_is_kept() {
        let headers = of(&[("B", "1"), ("Set-Cookie", "a"), ("A", " 2\t"), ("set-cookie", "b")]);
        assert_eq!(headers.get("a"), Some("2"));
        assert_eq!(headers.get_all("SET-COOKIE").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(headers.get("c"), None);
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["B", "Set-Cookie", "A", "set-cookie"]);
    }

    #[test]
    fn set_takes_the_first_place() {
        let mut headers = of(&[("A", "1"), ("B", "2"), ("a", "3"), ("C", "4")]);
        headers.set("a", "5").unwrap();
        assert_eq!(headers, of(&[("a", "5"), ("B", "2"), ("C", "4")]));
        headers.set("D", "6").unwrap();
        assert!(headers.remove("b"));
        assert!(!headers.remove("b"));
        assert_eq!(headers, of(&[("a", "5"), ("C", "4"), ("D", "6")]));
    }

    #[test]
    fn lists_have_members() {
        let headers = of(&[("Connection", "Keep-Alive, foo"), ("connection", "Upgrade")]);
        assert!(headers.has_member("connection", "upgrade"));
        assert!(headers.has_member("connection", "keep-alive"));
        assert!(!headers.has_member("connection", "keep"));
    }

    #[test]
    fn a_field_stays_one_field() {
        let check = |name: &str, value: &str, error: FieldError| {
            let mut headers = Headers::new();
            assert_eq!(headers.append(name, value), Err(error.clone()));
            assert_eq!(headers.set(name, value), Err(error));
            assert!(headers.is_empty());
        };
        check("", "x", FieldError::Name(String::new()));
        check("A b", "x", FieldError::Name("A b".into()));
        check("A:", "x", FieldError::Name("A:".into()));
        check("A\r\nB", "x", FieldError::Name("A\r\nB".into()));
        for value in ["x\r\nSet-Cookie: y", "x\ny", "x\ry", "\0", "x\x7f"] {
            check("A", value, FieldError::Value("A".into()));
        }
    }

    #[test]
    fn values_may_be_no_text() {
        let mut headers = Headers::new();
        headers.append("A", b"\xff\xfe").unwrap();
        assert_eq!(headers.get("A"), None);
        assert_eq!(headers.get_bytes("A"), Some(b"\xff\xfe".as_slice()));
    }
}
