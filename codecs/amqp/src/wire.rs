//! Writes frames.

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame, gen_frame},
    protocol::{AMQPClass, BasicProperties, basic, connection, constants},
};

use crate::{
    error::{Close, Refusal},
    frame::OVERHEAD,
};

/// What a client says first.
pub(crate) const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// The class of everything that has a body.
const BASIC: u16 = 60;

/// Appends a frame. It cannot fail: a vector grows, and the lengths of all texts were checked before.
fn frame(out: &mut Vec<u8>, frame: &AMQPFrame) {
    let before = out.len();
    match gen_frame(frame)(std::mem::take(out).into()) {
        Ok(written) => *out = written.into_inner().0,
        Err(error) => unreachable!("after {before} bytes: {error}"),
    }
}

/// Appends a method.
pub(crate) fn method(out: &mut Vec<u8>, channel: u16, class: AMQPClass) {
    frame(out, &AMQPFrame::Method(channel, class));
}

/// Appends a method that may exceed a frame, because of its tables. Then it appends nothing.
pub(crate) fn sized_method(
    out: &mut Vec<u8>,
    channel: u16,
    class: AMQPClass,
    frame_max: u32,
) -> Result<(), Refusal> {
    let before = out.len();
    method(out, channel, class);
    check_size(out, before, frame_max)
}

/// A message to publish.
pub(crate) struct OutgoingMessage<'a> {
    pub method: basic::Publish,
    pub properties: BasicProperties,
    pub body: &'a [u8],
}

/// Appends a message: its method, its header and its body, cut into frames.
pub(crate) fn publish(
    out: &mut Vec<u8>,
    channel: u16,
    message: OutgoingMessage<'_>,
    frame_max: u32,
) -> Result<(), Refusal> {
    let OutgoingMessage { method: publish, properties, body } = message;
    let start = out.len();
    method(out, channel, AMQPClass::Basic(basic::AMQPMethod::Publish(publish)));
    let before = out.len();
    let header = AMQPContentHeader { class_id: BASIC, body_size: body.len() as u64, properties };
    frame(out, &AMQPFrame::Header(channel, BASIC, Box::new(header)));
    if let Err(refusal) = check_size(out, before, frame_max) {
        out.truncate(start);
        return Err(refusal);
    }
    for piece in body.chunks(frame_max as usize - OVERHEAD) {
        out.push(constants::FRAME_BODY);
        out.extend(channel.to_be_bytes());
        out.extend((piece.len() as u32).to_be_bytes());
        out.extend(piece);
        out.push(constants::FRAME_END);
    }
    Ok(())
}

/// Appends a heartbeat.
pub(crate) fn heartbeat(out: &mut Vec<u8>) {
    frame(out, &AMQPFrame::Heartbeat(0));
}

/// `connection.close`
pub(crate) fn close(close: &Close) -> AMQPClass {
    // A text of this crate may exceed the 255 bytes that AMQP allows.
    let end = close.text.floor_char_boundary(255);
    AMQPClass::Connection(connection::AMQPMethod::Close(connection::Close {
        reply_code: close.code,
        reply_text: close.text[..end].into(),
        class_id: close.class,
        method_id: close.method,
    }))
}

/// `connection.close-ok`
pub(crate) fn close_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
}

fn check_size(out: &mut Vec<u8>, before: usize, frame_max: u32) -> Result<(), Refusal> {
    if out.len() - before <= frame_max as usize {
        return Ok(());
    }
    out.truncate(before);
    Err(Refusal::FrameTooSmall(frame_max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, first};

    fn check(body: usize, frames: usize) {
        let mut out = Vec::new();
        let body = vec![7; body];
        let method = basic::Publish {
            exchange: "x".into(),
            routing_key: "k".into(),
            mandatory: false,
            immediate: false,
        };
        let properties = BasicProperties::default();
        let message = OutgoingMessage { method, properties, body: &body };
        publish(&mut out, 3, message, 4096).unwrap();
        let mut rest = out.as_slice();
        let (mut read, mut count) = (Vec::new(), 0);
        while let Some((frame, length)) = first(rest, 4096).unwrap() {
            if let Frame::Body(3, piece) = frame {
                read.extend(piece);
                count += 1;
            }
            rest = &rest[length..];
        }
        assert_eq!((read, count, rest.len()), (body, frames, 0));
    }

    #[test]
    fn a_body_is_cut_into_frames() {
        check(0, 0);
        check(1, 1);
        check(4088, 1);
        check(4089, 2);
        check(10_000, 3);
    }

    #[test]
    fn headers_that_do_not_fit_are_refused_whole() {
        let headers = crate::table::Table::from([("h".to_owned(), "v".repeat(5000).into())]);
        let properties = crate::Properties { headers: Some(headers), ..Default::default() };
        let mut out = vec![1];
        let method = basic::Publish {
            exchange: "".into(),
            routing_key: "".into(),
            mandatory: false,
            immediate: false,
        };
        let properties = properties.to_wire().unwrap();
        let message = OutgoingMessage { method, properties, body: b"body" };
        let answer = publish(&mut out, 1, message, 4096);
        assert_eq!(answer, Err(Refusal::FrameTooSmall(4096)));
        assert_eq!(out, [1]);
    }
}
