//! Bytes into frames.

pub(crate) mod bytes;
pub(crate) mod header;
mod method;

use amq_protocol::protocol::{AMQPClass, constants};

use self::header::Header;
use crate::{error::Violation, undecoded::Undecoded};

/// The octets of a frame besides its payload.
pub(crate) const OVERHEAD: usize = 8;
const HEAD: usize = 7;

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame<'a> {
    /// With its texts that are not UTF-8.
    Method(u16, AMQPClass, Undecoded),
    Header(u16, Box<Header>),
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
        b'A' => {
            let text = "the server speaks another version of AMQP, or none";
            Err(Violation::frame(text).for_good())
        }
        other => Err(Violation::frame(format!("a frame of the unknown type {other}"))),
    }
}

fn parse(kind: u8, channel: u16, payload: &[u8]) -> Result<Frame<'_>, Violation> {
    match kind {
        constants::FRAME_METHOD => {
            let (class, undecoded) = method::parse(payload)?;
            Ok(Frame::Method(channel, class, undecoded))
        }
        constants::FRAME_HEADER => Ok(Frame::Header(channel, Box::new(header::parse(payload)?))),
        constants::FRAME_BODY => Ok(Frame::Body(channel, payload)),
        _ if channel == 0 && payload.is_empty() => Ok(Frame::Heartbeat),
        _ => Err(Violation::frame("a heartbeat with a channel or a payload")),
    }
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
}
