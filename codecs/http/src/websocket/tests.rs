//! Both sides talk to each other, and to bytes that are wrong.
use super::*;

/// A client's frame, masked with zeros, so that the payload stays readable.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Everything that a server makes of these bytes, in one piece and byte by byte.
#[track_caller]
fn check(bytes: &[u8], expected: &[Result<Event, WebSocketError>], output: &[u8]) {
    for size in [bytes.len().max(1), 1, 2, 3] {
        let mut server = WebSocket::server(1000);
        let mut seen = Vec::new();
        let mut sent = Vec::new();
        for piece in bytes.chunks(size) {
            server.receive(piece);
            loop {
                match server.poll() {
                    Ok(Some(event)) => seen.push(Ok(event)),
                    Ok(None) => break,
                    Err(error) => seen.push(Err(error)),
                }
            }
            sent.extend(server.take_output());
        }
        assert_eq!(seen, expected, "in pieces of {size}");
        assert_eq!(sent, output, "in pieces of {size}");
    }
}

fn text(text: &str) -> Result<Event, WebSocketError> {
    Ok(Event::Message(Message::Text(text.to_owned())))
}

#[test]
fn messages_and_fragments() {
    check(&frame(0x81, b"hello"), &[text("hello")], b"");
    check(&frame(0x81, b""), &[text("")], b"");
    check(&frame(0x82, &[0xff; 300]), &[Ok(Event::Message(Message::Binary(vec![0xff; 300])))], b"");
    // A character and a ping between the fragments of a text.
    let parts = [frame(0x01, b"h\xc3"), frame(0x89, b"p"), frame(0x00, b"\xa9"), frame(0x80, b"!")];
    check(&parts.concat(), &[Ok(Event::Ping(b"p".to_vec())), text("hé!")], b"\x8a\x01p");
}

#[test]
fn the_peer_closes() {
    let bytes = frame(0x88, b"\x03\xe8bye");
    check(&bytes, &[Ok(Event::Close(1000, "bye".to_owned()))], b"\x88\x05\x03\xe8bye");
    check(&frame(0x88, b""), &[Ok(Event::Close(1005, String::new()))], b"\x88\x00");
    // Nothing counts after it.
    let both = [frame(0x88, b"\x03\xe9"), frame(0x81, b"x")].concat();
    check(&both, &[Ok(Event::Close(1001, String::new()))], b"\x88\x02\x03\xe9");
}

#[test]
fn this_side_closes() {
    let (mut server, mut client) = (WebSocket::server(100), WebSocket::client(100));
    assert_eq!(server.close(1005, ""), Err(SendError::Code));
    assert_eq!(server.close(1000, &"x".repeat(124)), Err(SendError::TooLong));
    server.close(4000, "enough").unwrap();
    assert_eq!(server.send(Message::Text("x".into())), Err(SendError::Closed));
    assert_eq!(server.close(1000, ""), Err(SendError::Closed));
    client.receive(&server.take_output());
    assert_eq!(client.poll(), Ok(Some(Event::Close(4000, "enough".into()))));
    assert!(client.is_closed() && !server.is_closed());
    server.receive(&client.take_output());
    assert_eq!(server.poll(), Ok(Some(Event::Close(4000, "enough".into()))));
    assert!(server.is_closed());
}

#[test]
fn pings_are_answered() {
    let (mut server, mut client) = (WebSocket::server(100), WebSocket::client(100));
    assert_eq!(client.ping(&[0; 126]), Err(SendError::TooLong));
    client.ping(b"there?").unwrap();
    server.receive(&client.take_output());
    assert_eq!(server.poll(), Ok(Some(Event::Ping(b"there?".to_vec()))));
    assert_eq!(server.poll(), Ok(None));
    client.receive(&server.take_output());
    assert_eq!(client.poll(), Ok(Some(Event::Pong(b"there?".to_vec()))));
}

#[test]
fn breaking_the_protocol_is_told() {
    let protocol = |bytes: &[u8]| {
        let mut server = WebSocket::server(1000);
        server.receive(bytes);
        assert!(matches!(server.poll(), Err(WebSocketError::Protocol(_))), "{bytes:?}");
        assert_eq!(server.take_output(), b"\x88\x02\x03\xea", "{bytes:?}");
        assert_eq!(server.poll(), Ok(None));
        assert!(server.is_closed());
    };
    protocol(b"\x81\x01x"); // not masked
    protocol(&frame(0xc1, b"x")); // a bit of an extension that was not agreed on
    protocol(&frame(0x83, b"x")); // no such kind
    protocol(&frame(0x80, b"x")); // a continuation of nothing
    protocol(&[frame(0x01, b"x"), frame(0x81, b"y")].concat()); // a message inside a message
    protocol(&frame(0x09, b"x")); // a ping in fragments
    protocol(&frame(0x89, &[0; 126])); // a ping too long
    protocol(&frame(0x88, b"\x03")); // half a code
}

#[test]
fn text_is_utf8_and_messages_have_a_bound() {
    check(&frame(0x81, b"\xff"), &[Err(WebSocketError::Utf8)], b"\x88\x02\x03\xef");
    check(&frame(0x82, &[0; 1001]), &[Err(WebSocketError::TooLarge)], b"\x88\x02\x03\xf1");
    let parts = [frame(0x02, &[0; 600]), frame(0x80, &[0; 600])].concat();
    check(&parts, &[Err(WebSocketError::TooLarge)], b"\x88\x02\x03\xf1");
    // The length alone is enough: nothing waits for what will not be taken.
    let huge = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    check(&huge, &[Err(WebSocketError::TooLarge)], b"\x88\x02\x03\xf1");
}
