//! Sections 12 and 13: permessage-deflate, with every combination of parameters, and what a hostile peer makes of it.

use flate2::{Compress, Compression, FlushCompress};
use sandloop_http::{
    Headers,
    websocket::{
        Event, Message, WebSocket,
        extension::{Agreed, Deflate, accept_deflate, agreed_deflate, offer_deflate},
    },
};
use sandloop_testkit::Noise;

use super::{
    BEGIN, GO_ON, LAST, PING,
    echo::{End, MESSAGE_MAX, run, taken},
    frame,
};

/// RSV1.
const COMPRESSED: u8 = 0x40;

fn extensions(value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.append("Sec-WebSocket-Extensions", value).unwrap();
    headers
}

/// What a server and a client that want this agree on.
fn agree(server: Deflate, client: Deflate) -> (Agreed, Agreed) {
    let (answer, of_server) =
        accept_deflate(&extensions(&offer_deflate(&client)), &server).unwrap();
    let of_client = agreed_deflate(&extensions(&answer), Some(&client)).unwrap().unwrap();
    (of_server, of_client)
}

fn server() -> WebSocket {
    let (agreed, _) = agree(Deflate::default(), Deflate::default());
    WebSocket::server(MESSAGE_MAX).with_deflate(agreed)
}

/// The bytes of a message as RFC 7692 (7.2.1) makes them.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 1000);
    let mut state = Compress::new(Compression::best(), false);
    state.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    assert!(out.len() < out.capacity() && out.ends_with(b"\0\0\xff\xff"));
    out.truncate(out.len() - 4);
    out
}

/// Texts, numbers, noise, and what compresses best and worst.
fn payloads() -> Vec<Message> {
    let mut noise = Noise::new(12);
    let json = r#"{"name":"value","list":[1,2,3,{"deep":true}],"text":"h\u00e9llo"},"#;
    let mut all = vec![Message::Text(String::new()), Message::Binary(Vec::new())];
    for size in [1, 16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072] {
        all.push(Message::Text(json.chars().cycle().take(size).collect()));
        all.push(Message::Binary(noise.bytes(size)));
        all.push(Message::Binary(vec![0; size]));
        all.push(Message::Text("é".repeat(size / 2)));
    }
    all
}

#[test]
fn sections_12_and_13_messages_come_back() {
    let kept = [false, true];
    for bits in 0..16_u8 {
        let bit = |at: u8| kept[usize::from(bits >> at & 1)];
        let wants =
            |own, peers| Deflate { keep_own_context: own, keep_peers_context: peers, threshold: 0 };
        let (of_server, of_client) = agree(wants(bit(0), bit(1)), wants(bit(2), bit(3)));
        let mut server = WebSocket::server(MESSAGE_MAX).with_deflate(of_server);
        let mut client = WebSocket::client(MESSAGE_MAX).with_deflate(of_client);
        for (number, message) in payloads().into_iter().enumerate() {
            client.send(message.clone()).unwrap();
            let bytes = client.take_output();
            for piece in bytes.chunks(1 + number * 777) {
                server.receive(piece);
                if let Some(event) = server.poll().unwrap() {
                    assert_eq!(event, Event::Message(message.clone()), "{bits}: {number}");
                    server.send(message.clone()).unwrap();
                }
            }
            client.receive(&server.take_output());
            assert_eq!(client.poll(), Ok(Some(Event::Message(message))), "{bits}: {number}");
        }
    }
}

#[test]
fn a_context_that_is_kept_makes_messages_shorter() {
    let size = |keep: bool| {
        let wants = Deflate { keep_own_context: keep, keep_peers_context: keep, threshold: 0 };
        let (agreed, _) = agree(wants, wants);
        let mut server = WebSocket::server(MESSAGE_MAX).with_deflate(agreed);
        let text: String = ('!'..'~').collect();
        server.send(Message::Text(text.clone())).unwrap();
        let first = server.take_output().len();
        server.send(Message::Text(text)).unwrap();
        (first, server.take_output().len())
    };
    assert_eq!(size(false).0, size(false).1);
    assert!(size(true).1 < size(true).0 / 2);
}

#[test]
fn short_messages_are_sent_as_they_are() {
    let mut server = server();
    server.send(Message::Text("x".repeat(255))).unwrap();
    assert_eq!(server.take_output()[0], 0x81);
    server.send(Message::Text("x".repeat(256))).unwrap();
    assert_eq!(server.take_output()[0], 0x81 | COMPRESSED);
    // So is what does not become shorter.
    server.send(Message::Binary(Noise::new(1).bytes(5000))).unwrap();
    assert_eq!(server.take_output()[0], 0x82);
}

/// The examples of RFC 7692, 7.2.3.
#[test]
fn the_examples_of_the_rfc() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let cases: &[(&str, Vec<u8>)] = &[
        ("one block", frame(0xc1, hello)),
        ("fragments", [frame(0x41, &hello[..3]), frame(LAST, &hello[3..])].concat()),
        ("no compression", frame(0xc1, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")),
        ("a last block", frame(0xc1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")),
        ("two blocks", frame(0xc1, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")),
        ("not compressed", frame(0x81, b"Hello")),
    ];
    for (name, bytes) in cases {
        for size in [bytes.len(), 1, 2, 3] {
            let pieces: Vec<_> = bytes.chunks(size).collect();
            let (sent, end) = run(server(), &pieces);
            assert_eq!((&*sent, end), (&b"\x81\x05Hello"[..], End::Open), "{name} by {size}");
        }
    }
}

#[test]
fn the_mark_of_compression_stands_where_it_may() {
    let check = |bytes: &[u8], code: u16| {
        for size in [bytes.len(), 1] {
            let pieces: Vec<_> = bytes.chunks(size).collect();
            let (_, end) = run(server(), &pieces);
            assert_eq!(end, End::Failed(code), "{} by {size}", bytes.escape_ascii());
        }
    };
    check(&frame(PING | COMPRESSED, b""), 1002);
    check(&frame(0x88 | COMPRESSED, b""), 1002);
    check(&[frame(BEGIN, b"a"), frame(LAST | COMPRESSED, b"b")].concat(), 1002);
    check(&frame(0xa1, b""), 1002);
    check(&frame(0x91, b""), 1002);
    // What cannot be decompressed, and what is no UTF-8 after it.
    check(&frame(0xc1, b"\xff\xff\xff"), 1007);
    check(&frame(0xc2, b"\x06\x01\x02"), 1007);
    check(&frame(0xc1, &deflated(b"\xff")), 1007);
    check(&frame(0xc1, &deflated(b"\xc3")), 1007);
    // Streams without end that mean nothing.
    check(&frame(0xc2, &b"\x03\x00".repeat(1000)), 1007);
}

#[test]
fn a_bomb_is_stopped_at_the_bound() {
    let bomb = deflated(&vec![0; MESSAGE_MAX + 1]);
    assert!(bomb.len() < 2000);
    let (sent, end) = run(server(), &[&frame(0xc2, &bomb)]);
    assert_eq!((&*sent, end), (&b"\x88\x02\x03\xf1"[..], End::Failed(1009)));
    let largest = deflated(&vec![0; MESSAGE_MAX]);
    let (sent, end) = run(server(), &[&frame(0xc2, &largest)]);
    assert_eq!(end, End::Open);
    let client = WebSocket::client(MESSAGE_MAX)
        .with_deflate(agree(Deflate::default(), Deflate::default()).1);
    assert_eq!(taken(client, &sent), [Event::Message(Message::Binary(vec![0; MESSAGE_MAX]))]);
    // Empty blocks mean nothing, and there may not be endlessly many.
    let mut bytes = frame(0x42, b"");
    for _ in 0..2000 {
        bytes.extend(frame(GO_ON, &b"\x00\x00\x00\xff\xff".repeat(200)));
    }
    assert_eq!(run(server(), &[&bytes]).1, End::Failed(1009));
}
