//! Bytes into frames.

use amq_protocol::{
    frame::AMQPContentHeader,
    frame::parsing::parse_content_header,
    protocol::{AMQPClass, constants, parse_class},
};

use crate::{depth, error::Violation};

/// The octets of a frame besides its payload.
pub(crate) const OVERHEAD: usize = 8;
const HEAD: usize = 7;

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame<'a> {
    Method(u16, AMQPClass),
    Header(u16, Box<AMQPContentHeader>),
    Body(u16, &'a [u8]),
    Heartbeat,
}

/// The first frame of these bytes, and how many bytes it has; nothing if it is not all there.
///
/// Only the head of a frame decides how many bytes are waited for, and that is bounded by `frame_max`.
pub(crate) fn first(
    bytes: &[u8],
    frame_max: usize,
) -> Result<Option<(Frame<'_>, usize)>, Violation> {
    let Some(kind) = bytes.first() else { return Ok(None) };
    check_kind(*kind)?;
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let [kind, high, low, size @ ..] = *head;
    let channel = u16::from_be_bytes([high, low]);
    let size = u32::from_be_bytes(size) as usize;
    if frame_max < size.saturating_add(OVERHEAD) {
        return Err(Violation::frame(format!("a frame of {size} bytes, more than was agreed on")));
    }
    let length = size + OVERHEAD;
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    if frame[length - 1] != constants::FRAME_END {
        return Err(Violation::frame("a frame without its end"));
    }
    let payload = &frame[HEAD..length - 1];
    Ok(Some((parse(kind, channel, payload)?, length)))
}

fn check_kind(kind: u8) -> Result<(), Violation> {
    match kind {
        constants::FRAME_METHOD
        | constants::FRAME_HEADER
        | constants::FRAME_BODY
        | constants::FRAME_HEARTBEAT => Ok(()),
        // A server that wants another version answers with its own protocol header.
        b'A' => Err(Violation::frame("the server speaks another version of AMQP, or none")),
        other => Err(Violation::frame(format!("a frame of the unknown type {other}"))),
    }
}

fn parse(kind: u8, channel: u16, payload: &[u8]) -> Result<Frame<'_>, Violation> {
    match kind {
        constants::FRAME_METHOD => Ok(Frame::Method(channel, method(payload)?)),
        constants::FRAME_HEADER => Ok(Frame::Header(channel, Box::new(header(payload)?))),
        constants::FRAME_BODY => Ok(Frame::Body(channel, payload)),
        _ if channel == 0 && payload.is_empty() => Ok(Frame::Heartbeat),
        _ => Err(Violation::frame("a heartbeat with a channel or a payload")),
    }
}

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

fn method(payload: &[u8]) -> Result<AMQPClass, Violation> {
    const START: [u8; 4] = [0, 10, 0, 10];
    const VERSION: usize = 2;
    if payload.first_chunk::<4>().is_some_and(|name| FROM_CLIENTS.contains(name)) {
        return Err(Violation::command("a method that only clients send"));
    }
    // The only method from a server that has a table.
    if let Some(start) = payload.strip_prefix(&START)
        && !start.get(VERSION..).is_some_and(depth::is_sound)
    {
        return Err(Violation::syntax("connection.start with properties that cannot be read"));
    }
    match parse_class(payload) {
        Ok(([], class)) => Ok(class),
        Ok(_) => Err(Violation::syntax("a method with more than its arguments")),
        Err(_) => Err(Violation::syntax("a method that cannot be read")),
    }
}

fn header(payload: &[u8]) -> Result<AMQPContentHeader, Violation> {
    if !headers_are_sound(payload) {
        return Err(Violation::syntax("headers of a message that cannot be read"));
    }
    match parse_content_header(payload) {
        Ok(([], header)) => Ok(header),
        _ => Err(Violation::syntax("properties of a message that cannot be read")),
    }
}

/// Finds the table among the properties: behind class, weight, size, the flags, and two short strings.
fn headers_are_sound(payload: &[u8]) -> bool {
    const FLAGS: usize = 12;
    const CONTENT_TYPE: u16 = 1 << 15;
    const CONTENT_ENCODING: u16 = 1 << 14;
    const HEADERS: u16 = 1 << 13;
    let Some((flags, mut rest)) = payload.get(FLAGS..).and_then(<[u8]>::split_first_chunk::<2>)
    else {
        return false;
    };
    let flags = u16::from_be_bytes(*flags);
    for text in [CONTENT_TYPE, CONTENT_ENCODING] {
        if flags & text != 0 {
            let Some(after) =
                rest.split_first().and_then(|(length, rest)| rest.get(usize::from(*length)..))
            else {
                return false;
            };
            rest = after;
        }
    }
    flags & HEADERS == 0 || depth::is_sound(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 4096;

    #[test]
    fn a_frame_is_awaited_and_no_more() {
        let bytes = [8, 0, 0, 0, 0, 0, 0, 206, 8];
        for cut in 0..8 {
            assert_eq!(first(&bytes[..cut], MAX), Ok(None), "{cut}");
        }
        assert_eq!(first(&bytes, MAX), Ok(Some((Frame::Heartbeat, 8))));
    }

    #[test]
    fn what_is_no_frame_is_said_at_once() {
        let check = |bytes: &[u8], code: u16| {
            assert_eq!(first(bytes, MAX).unwrap_err().code, code, "{bytes:?}");
        };
        check(b"AMQP\0\0\x09\x01", 501);
        check(&[0], 501);
        check(&[9], 501);
        check(b"HTTP/1.1 400 Bad Request", 501);
        check(&[1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF], 501);
        check(&[1, 0, 0, 0, 0, 0x10, 0], 501);
        check(&[8, 0, 0, 0, 0, 0, 0, 205], 501);
        check(&[8, 0, 1, 0, 0, 0, 0, 206], 501);
        check(&[8, 0, 0, 0, 0, 0, 1, 0, 206], 501);
        check(&[1, 0, 0, 0, 0, 0, 0, 206], 502);
        check(&[1, 0, 0, 0, 0, 0, 4, 0, 99, 0, 1, 206], 502);
        check(&[1, 0, 0, 0, 0, 0, 6, 0, 10, 0, 41, 0, 0, 206], 502);
        check(&[2, 0, 1, 0, 0, 0, 1, 0, 206], 502);
    }

    #[test]
    fn tables_that_nest_without_end_are_refused() {
        let mut table = Vec::new();
        for _ in 0..600 {
            let mut outer = (table.len() as u32 + 3).to_be_bytes().to_vec();
            outer.extend([1, b't', b'F']);
            outer.extend(table);
            table = outer;
            // The innermost has no value of its own: what matters is the way there.
        }
        let mut payload = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0];
        payload.extend(&table);
        let mut frame = vec![2, 0, 1];
        frame.extend((payload.len() as u32).to_be_bytes());
        frame.extend(payload);
        frame.push(206);
        assert_eq!(first(&frame, 1 << 17).unwrap_err().code, 502);
    }
}
