//! The payload of a method's frame.
//!
//! `amq-protocol` takes texts in UTF-8 only, and reads tables as deep as they nest. Brokers hand on whatever bytes were
//! published, so texts are mended before it sees them. The only table that a broker sends in a method, its own
//! description, is read here and left out there: nobody looks at it.

use amq_protocol::protocol::{AMQPClass, parse_class};

use super::{bytes::Bytes, header::table};
use crate::{error::Violation, undecoded::Undecoded};

/// The methods with tables that only clients send, by class and method. They are refused unread: a parser of tables
/// recurses, as deep as they nest.
const FROM_CLIENTS: [[u8; 4]; 8] = [
    [0, 10, 0, 11], // connection.start-ok
    [0, 40, 0, 10], // exchange.declare
    [0, 40, 0, 30], // exchange.bind
    [0, 40, 0, 40], // exchange.unbind
    [0, 50, 0, 10], // queue.declare
    [0, 50, 0, 20], // queue.bind
    [0, 50, 0, 50], // queue.unbind
    [0, 60, 0, 20], // basic.consume
];

/// A part of a method's arguments.
#[derive(Clone, Copy)]
enum Part {
    /// As many octets.
    Octets(usize),
    /// A short string of this name.
    Text(&'static str),
    /// A table that is skipped, if it is well-formed.
    Table,
}

use Part::{Octets, Table, Text};

/// The methods of a broker with texts or tables: class and method, and what comes before and between the texts. What
/// is behind the last part is left as it is.
const LAYOUTS: [([u8; 4], &[Part]); 11] = [
    ([0, 10, 0, 10], &[Octets(2), Table]),
    ([0, 10, 0, 50], &[Octets(2), Text("reply-text")]),
    ([0, 10, 0, 60], &[Text("reason")]),
    ([0, 20, 0, 40], &[Octets(2), Text("reply-text")]),
    ([0, 50, 0, 11], &[Text("queue")]),
    ([0, 60, 0, 21], &[Text("consumer-tag")]),
    ([0, 60, 0, 30], &[Text("consumer-tag")]),
    ([0, 60, 0, 31], &[Text("consumer-tag")]),
    ([0, 60, 0, 50], &[Octets(2), Text("reply-text"), Text("exchange"), Text("routing-key")]),
    ([0, 60, 0, 60], &[Text("consumer-tag"), Octets(9), Text("exchange"), Text("routing-key")]),
    ([0, 60, 0, 71], &[Octets(9), Text("exchange"), Text("routing-key")]),
];

const START: [u8; 4] = [0, 10, 0, 10];
/// The octets of `connection.start` before its table.
const VERSION: usize = 6;

pub(super) fn parse(payload: &[u8]) -> Result<(AMQPClass, Undecoded), Violation> {
    if payload.first_chunk::<4>().is_some_and(|name| FROM_CLIENTS.contains(name)) {
        return Err(Violation::command("a method that only clients send"));
    }
    let unreadable = || Violation::syntax("a method that cannot be read");
    let mut undecoded = Undecoded::default();
    let mended = mend(payload, &mut undecoded).ok_or_else(|| {
        if payload.starts_with(&START) && VERSION < payload.len() {
            return Violation::syntax("connection.start with properties that cannot be read");
        }
        unreadable()
    })?;
    match parse_class(mended.as_deref().unwrap_or(payload)) {
        Ok(([], class)) => Ok((class, undecoded)),
        Ok(_) => Err(Violation::syntax("a method with more than its arguments")),
        Err(_) => Err(unreadable()),
    }
}

/// The payload with every text in UTF-8 and an empty table, if that makes a difference. Nothing if it is cut.
fn mend(payload: &[u8], undecoded: &mut Undecoded) -> Option<Option<Vec<u8>>> {
    let Some((name, rest)) = payload.split_first_chunk::<4>() else { return Some(None) };
    let Some((_, layout)) = LAYOUTS.iter().find(|(other, _)| other == name) else {
        return Some(None);
    };
    let mut rest = Bytes(rest);
    let mut mended = name.to_vec();
    for part in *layout {
        match part {
            Octets(count) => mended.extend(rest.take(*count)?),
            Text(name) => {
                let text = undecoded.decode(name, rest.short()?);
                mended.push(text.len() as u8);
                mended.extend(text.bytes());
            }
            Table => {
                table(&mut rest, 1).ok()?;
                mended.extend([0; 4]);
            }
        }
    }
    mended.extend(rest.0);
    Some((mended != payload).then_some(mended))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layout agrees with the parser: with texts in UTF-8, both read the same.
    #[test]
    fn texts_are_where_they_are_looked_for() {
        let behind: [(&[u8; 4], usize); 11] = [
            (&[0, 10, 0, 10], 8),
            (&[0, 10, 0, 50], 4),
            (&[0, 10, 0, 60], 0),
            (&[0, 20, 0, 40], 4),
            (&[0, 50, 0, 11], 8),
            (&[0, 60, 0, 21], 0),
            (&[0, 60, 0, 30], 1),
            (&[0, 60, 0, 31], 0),
            (&[0, 60, 0, 50], 0),
            (&[0, 60, 0, 60], 0),
            (&[0, 60, 0, 71], 4),
        ];
        for ((name, layout), (other, behind)) in LAYOUTS.iter().zip(behind) {
            assert_eq!(name, other);
            let mut payload = name.to_vec();
            let mut texts = 0;
            for part in *layout {
                match part {
                    Octets(count) => payload.extend(vec![0; *count]),
                    Text(_) => {
                        payload.extend(b"\x03\xfftx");
                        texts += 1;
                    }
                    Table => payload.extend(b"\0\0\0\x03\x01\xffV"),
                }
            }
            payload.extend(vec![0; behind]);
            let (class, undecoded) = parse(&payload).unwrap();
            assert_eq!(undecoded.iter().count(), texts, "{class:?}");
            assert!(undecoded.iter().all(|(_, bytes)| bytes == b"\xfftx"), "{class:?}");
            assert_eq!(format!("{class:?}").matches("\u{fffd}tx").count(), texts, "{class:?}");
            for cut in 0..payload.len() {
                assert!(parse(&payload[..cut]).is_err(), "{class:?} {cut}");
            }
        }
    }
}
