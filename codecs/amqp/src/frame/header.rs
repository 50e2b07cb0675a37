//! The payload of a content header: the length of a message, and its properties.
//!
//! What it says comes from whoever published the message, and a broker hands it on unread. So it may be unreadable,
//! which is the message's fault and not the connection's.

use super::bytes::Bytes;
use crate::{
    error::Violation,
    message::Properties,
    table::{Table, Value},
    undecoded::{Undecoded, decode},
};

/// A content header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub class_id: u16,
    pub body_size: u64,
    /// The properties of the message, or why they cannot be decoded.
    pub properties: Result<(Properties, Undecoded), &'static str>,
}

/// How deep tables and arrays may nest: reading and dropping them recurses. What people write has two levels.
const DEEPEST: usize = 32;

const CUT: &str = "properties of a message that are cut";
const TRAILING: &str = "properties of a message that are longer than their flags say";
const FLAGS: &str = "properties of a message with flags that nobody knows";
const HEADERS_CUT: &str = "headers of a message that are cut";
const UNKNOWN_TYPE: &str = "headers of a message with a type that nobody knows";
const TOO_DEEP: &str = "headers of a message that nest more than 32 levels deep";

pub(super) fn parse(payload: &[u8]) -> Result<Header, Violation> {
    let mut bytes = Bytes(payload);
    let fixed = (|| {
        let class_id = u16::from_be_bytes(bytes.array()?);
        let _weight = bytes.array::<2>()?;
        let body_size = u64::from_be_bytes(bytes.array()?);
        Some((class_id, body_size, u16::from_be_bytes(bytes.array()?)))
    })();
    let (class_id, body_size, flags) =
        fixed.ok_or_else(|| Violation::syntax("a header of a message that is cut"))?;
    Ok(Header { class_id, body_size, properties: properties(flags, bytes) })
}

fn properties(flags: u16, mut bytes: Bytes<'_>) -> Result<(Properties, Undecoded), &'static str> {
    /// The lowest bit says that more flags follow, the one above has no meaning.
    const UNKNOWN: u16 = 0b11;
    if flags & UNKNOWN != 0 {
        return Err(FLAGS);
    }
    let mut undecoded = Undecoded::default();
    let mut flag = 1 << 15;
    let mut next = || {
        let is_there = flags & flag != 0;
        flag >>= 1;
        is_there
    };
    let mut text = |is_there: bool, name: &'static str, bytes: &mut Bytes<'_>| {
        let bytes = if is_there { Some(bytes.short().ok_or(CUT)?) } else { None };
        Ok::<_, &'static str>(bytes.map(|bytes| undecoded.decode(name, bytes)))
    };
    let properties = Properties {
        content_type: text(next(), "content-type", &mut bytes)?,
        content_encoding: text(next(), "content-encoding", &mut bytes)?,
        headers: if next() { Some(table(&mut bytes, 1)?) } else { None },
        delivery_mode: if next() { Some(bytes.octet().ok_or(CUT)?) } else { None },
        priority: if next() { Some(bytes.octet().ok_or(CUT)?) } else { None },
        correlation_id: text(next(), "correlation-id", &mut bytes)?,
        reply_to: text(next(), "reply-to", &mut bytes)?,
        expiration: text(next(), "expiration", &mut bytes)?,
        message_id: text(next(), "message-id", &mut bytes)?,
        timestamp: if next() { Some(number(&mut bytes)?) } else { None },
        kind: text(next(), "type", &mut bytes)?,
        user_id: text(next(), "user-id", &mut bytes)?,
        app_id: text(next(), "app-id", &mut bytes)?,
    };
    // It is reserved, and thrown away.
    text(next(), "cluster-id", &mut bytes)?;
    if bytes.is_empty() { Ok((properties, undecoded)) } else { Err(TRAILING) }
}

fn number(bytes: &mut Bytes<'_>) -> Result<u64, &'static str> {
    bytes.array().map(u64::from_be_bytes).ok_or(CUT)
}

/// A table at this depth. Of two values with the same name the last counts.
pub(crate) fn table(bytes: &mut Bytes<'_>, depth: usize) -> Result<Table, &'static str> {
    if DEEPEST < depth {
        return Err(TOO_DEEP);
    }
    let mut inside = Bytes(bytes.long().ok_or(HEADERS_CUT)?);
    let mut table = Table::new();
    while !inside.is_empty() {
        let name = decode(inside.short().ok_or(HEADERS_CUT)?);
        table.insert(name, value(&mut inside, depth)?);
    }
    Ok(table)
}

fn values(bytes: &mut Bytes<'_>, depth: usize) -> Result<Vec<Value>, &'static str> {
    if DEEPEST < depth {
        return Err(TOO_DEEP);
    }
    let mut inside = Bytes(bytes.long().ok_or(HEADERS_CUT)?);
    let mut values = Vec::new();
    while !inside.is_empty() {
        values.push(value(&mut inside, depth)?);
    }
    Ok(values)
}

/// A value in a table or an array of this depth.
fn value(bytes: &mut Bytes<'_>, depth: usize) -> Result<Value, &'static str> {
    match bytes.octet().ok_or(HEADERS_CUT)? {
        b'A' => Ok(Value::Array(values(bytes, depth + 1)?)),
        b'F' => Ok(Value::Table(table(bytes, depth + 1)?)),
        kind if b"VtbBsUuIilLfdDSxT".contains(&kind) => simple(kind, bytes).ok_or(HEADERS_CUT),
        _ => Err(UNKNOWN_TYPE),
    }
}

/// A value with no others inside.
fn simple(kind: u8, bytes: &mut Bytes<'_>) -> Option<Value> {
    Some(match kind {
        b't' => Value::Bool(bytes.octet()? != 0),
        b'b' => Value::I8(i8::from_be_bytes(bytes.array()?)),
        b'B' => Value::U8(bytes.octet()?),
        b's' | b'U' => Value::I16(i16::from_be_bytes(bytes.array()?)),
        b'u' => Value::U16(u16::from_be_bytes(bytes.array()?)),
        b'I' => Value::I32(i32::from_be_bytes(bytes.array()?)),
        b'i' => Value::U32(u32::from_be_bytes(bytes.array()?)),
        b'l' | b'L' => Value::I64(i64::from_be_bytes(bytes.array()?)),
        b'f' => Value::F32(f32::from_be_bytes(bytes.array()?)),
        b'd' => Value::F64(f64::from_be_bytes(bytes.array()?)),
        b'D' => {
            let scale = bytes.octet()?;
            Value::Decimal { scale, value: u32::from_be_bytes(bytes.array()?) }
        }
        b'S' => {
            let bytes = bytes.long()?.to_vec();
            String::from_utf8(bytes)
                .map_or_else(|error| Value::Binary(error.into_bytes()), Value::Text)
        }
        b'x' => Value::Bytes(bytes.long()?.to_vec()),
        b'T' => Value::Timestamp(u64::from_be_bytes(bytes.array()?)),
        _ => Value::Void,
    })
}

#[cfg(test)]
mod tests {
    use amq_protocol::types::generation::gen_field_table;

    use super::*;
    use crate::table::to_wire;

    fn bytes(table: &Table) -> Vec<u8> {
        gen_field_table(&to_wire(table).unwrap())(Vec::new().into()).unwrap().into_inner().0
    }

    fn read(bytes: &[u8]) -> Result<Table, &'static str> {
        table(&mut Bytes(bytes), 1)
    }

    fn nested(depth: usize) -> Table {
        (1..depth).fold(Table::new(), |inner, _| Table::from([("t".to_owned(), inner.into())]))
    }

    #[test]
    fn every_value_comes_back() {
        let inner = Table::from([("deep".to_owned(), Value::Void)]);
        let values = vec![
            Value::Bool(true),
            Value::I8(-1),
            Value::U8(1),
            Value::I16(-2),
            Value::U16(2),
            Value::I32(-3),
            Value::U32(3),
            Value::I64(-4),
            Value::F32(0.5),
            Value::F64(-0.25),
            Value::Decimal { scale: 2, value: 314 },
            Value::Text("text".to_owned()),
            Value::Binary(vec![0xFF, 0]),
            Value::Bytes(vec![1, 2]),
            Value::Timestamp(1_700_000_000),
            Value::Array(vec![Value::Array(vec![]), Value::Void]),
            Value::Table(inner),
        ];
        let table = Table::from([
            ("all".to_owned(), Value::Array(values)),
            ("long".to_owned(), Value::Text("l".repeat(300))),
        ]);
        let whole = bytes(&table);
        assert_eq!(read(&whole), Ok(table));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), Err(HEADERS_CUT), "{cut}");
        }
        assert_eq!(read(&bytes(&Table::new())), Ok(Table::new()));
    }

    #[test]
    fn nesting_has_an_end() {
        assert_eq!(read(&bytes(&nested(DEEPEST))), Ok(nested(DEEPEST)));
        assert_eq!(read(&bytes(&nested(DEEPEST + 1))), Err(TOO_DEEP));
        // Arrays are counted too.
        let arrays = (0..40_000).fold(b"\0\0\0\0".to_vec(), |inner, _| {
            [&(inner.len() as u32 + 1).to_be_bytes()[..], b"A", &inner].concat()
        });
        let table = [&(arrays.len() as u32 + 3).to_be_bytes()[..], b"\x01nA", &arrays].concat();
        assert_eq!(read(&table), Err(TOO_DEEP));
    }

    #[test]
    fn names_are_bytes_and_types_are_known() {
        assert_eq!(
            read(b"\0\0\0\x03\x01\xe9V"),
            Ok(Table::from([("\u{fffd}".to_owned(), Value::Void)]))
        );
        for kind in 0..=u8::MAX {
            let known = b"AFVtbBsUuIilLfdDSxT".contains(&kind);
            let bytes = [&[kind][..], &[0; 8]].concat();
            let read = value(&mut Bytes(&bytes), 1);
            assert_eq!(read == Err(UNKNOWN_TYPE), !known, "{kind}");
        }
    }
}
