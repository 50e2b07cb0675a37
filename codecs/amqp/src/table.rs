//! The tables of AMQP: arguments and headers, in types of every day.

use std::collections::BTreeMap;

use amq_protocol::types::{
    AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString, ShortString,
};

use crate::error::Refusal;

/// Names and values, such as the arguments of a queue or the headers of a message.
///
/// ```
/// use sandloop_amqp::{Table, Value};
///
/// let arguments = Table::from([("x-max-length".to_owned(), Value::from(10))]);
/// assert_eq!(arguments["x-max-length"], Value::I32(10));
/// ```
pub type Table = BTreeMap<String, Value>;

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Void,
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: the value is `value` divided by ten, `scale` times.
    Decimal {
        /// The number of decimal places.
        scale: u8,
        /// The digits.
        value: u32,
    },
    /// `S`, in UTF-8.
    Text(String),
    /// `S`, in anything else.
    Binary(Vec<u8>),
    /// `x`, which only RabbitMQ has.
    Bytes(Vec<u8>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `A`
    Array(Vec<Value>),
    /// `F`
    Table(Table),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Value::I8(value) => Some(value.into()),
            Value::U8(value) => Some(value.into()),
            Value::I16(value) => Some(value.into()),
            Value::U16(value) => Some(value.into()),
            Value::I32(value) => Some(value.into()),
            Value::U32(value) => Some(value.into()),
            Value::I64(value) => Some(value),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Value {
        Value::I32(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::I64(value)
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Value {
        Value::Table(table)
    }
}

/// Bytes of a text whose length is written in one byte.
const SHORT: usize = 255;

/// A text for the wire, which has a byte for its length. `what` is for the refusal.
pub(crate) fn short(text: &str, what: &'static str) -> Result<ShortString, Refusal> {
    if SHORT < text.len() {
        return Err(Refusal::TooLong(what));
    }
    Ok(ShortString::from(text))
}

/// For the wire.
pub(crate) fn to_wire(table: &Table) -> Result<FieldTable, Refusal> {
    let mut wire = FieldTable::default();
    for (name, value) in table {
        wire.insert(short(name, "the name of an argument")?, value_to_wire(value)?);
    }
    Ok(wire)
}

fn value_to_wire(value: &Value) -> Result<AMQPValue, Refusal> {
    Ok(match value {
        Value::Void => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::I8(value) => AMQPValue::ShortShortInt(*value),
        Value::U8(value) => AMQPValue::ShortShortUInt(*value),
        Value::I16(value) => AMQPValue::ShortInt(*value),
        Value::U16(value) => AMQPValue::ShortUInt(*value),
        Value::I32(value) => AMQPValue::LongInt(*value),
        Value::U32(value) => AMQPValue::LongUInt(*value),
        Value::I64(value) => AMQPValue::LongLongInt(*value),
        Value::F32(value) => AMQPValue::Float(*value),
        Value::F64(value) => AMQPValue::Double(*value),
        Value::Decimal { scale, value } => {
            AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *value })
        }
        Value::Text(text) => AMQPValue::LongString(LongString::from(text.as_bytes())),
        Value::Binary(bytes) => AMQPValue::LongString(LongString::from(bytes.as_slice())),
        Value::Bytes(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes.as_slice())),
        Value::Timestamp(seconds) => AMQPValue::Timestamp(*seconds),
        Value::Array(values) => {
            let values: Result<Vec<_>, _> = values.iter().map(value_to_wire).collect();
            AMQPValue::FieldArray(FieldArray::from(values?))
        }
        Value::Table(table) => AMQPValue::FieldTable(to_wire(table)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_refused() {
        let check = |length: usize, fits: bool| {
            let table = Table::from([("n".repeat(length), Value::Void)]);
            assert_eq!(to_wire(&table).is_ok(), fits, "{length}");
        };
        check(255, true);
        check(256, false);
    }
}
