//! WebSockets that this side asks for, and both sides under pressure.

mod ends;
mod handshake;
mod pair;
mod slow;

use std::{cell::RefCell, rc::Rc, time::Duration};

use sandloop_http::{
    Headers,
    websocket::{
        self as codec, Event,
        extension::{Deflate, accept_deflate},
    },
};

use super::{
    ConnectError, Driver, Message, Upgraded, WebSocket, WebSocketHandler, WebSocketSettings,
    client::{Asking, ask, parse},
};
use crate::{
    connection::Connection,
    testing::{advance, turn},
    transport::fake::{FakeSocket, Wire},
    types::CloseReason,
};

type Log = Rc<RefCell<Vec<String>>>;

/// Notes everything; `pause` pauses.
struct Noting {
    socket: WebSocket,
    log: Log,
}

impl WebSocketHandler for Noting {
    fn open(&mut self) {
        self.log.borrow_mut().push("open".to_owned());
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Text(text) => {
                if text == "pause" {
                    self.socket.pause();
                }
                self.log.borrow_mut().push(text);
            }
            Message::Binary(bytes) => self.log.borrow_mut().push(format!("{} bytes", bytes.len())),
        }
    }

    fn drained(&mut self) {
        self.log.borrow_mut().push("drained".to_owned());
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.log.borrow_mut().push(format!("close {code} {reason}"));
    }
}

/// A side with its handler's handle, on a socket that the test is.
struct Side<C> {
    connection: C,
    socket: WebSocket,
    log: Log,
    wire: Rc<RefCell<Wire>>,
}

impl<C> Side<C> {
    fn sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.wire.borrow_mut().sent)
    }

    #[track_caller]
    fn check(&self, expected: &[&str]) {
        assert_eq!(self.log.take(), expected);
    }
}

fn side<C>(
    make: impl FnOnce(Rc<FakeSocket>, Box<dyn FnOnce(WebSocket) -> Noting>) -> C,
) -> Side<C> {
    let wire = Rc::new(RefCell::new(Wire { outbox_max: 1 << 24, ..Wire::default() }));
    let log = Log::default();
    let handle: Rc<RefCell<Option<WebSocket>>> = Rc::default();
    let (noted, kept) = (log.clone(), handle.clone());
    let handler = Box::new(move |socket: WebSocket| {
        *kept.borrow_mut() = Some(socket.clone());
        Noting { socket, log: noted }
    });
    let connection = make(Rc::new(FakeSocket(wire.clone())), handler);
    let socket = handle.borrow_mut().take().expect("the handler is made at once");
    Side { connection, socket, log, wire }
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

fn settings(deflate: Option<Deflate>) -> WebSocketSettings {
    WebSocketSettings { deflate, message: 100_000, ..WebSocketSettings::default() }
}

fn asking(deflate: Option<Deflate>) -> Side<Asking<Noting>> {
    let mut headers = Headers::new();
    headers.append("Sec-WebSocket-Protocol", "chat, superchat").unwrap();
    let uri = parse("ws://Example.com:81/a?b#c").unwrap();
    let (request, asked) = ask(&uri, headers, &settings(deflate), KEY.to_owned()).unwrap();
    side(|transport, make| Asking::start(transport, request, asked, settings(deflate), make))
}

/// What a server's side of the protocol takes from these bytes.
fn taken(server: &mut codec::WebSocket, bytes: &[u8]) -> Vec<Event> {
    server.receive(bytes);
    std::iter::from_fn(|| server.poll().expect("this side keeps the rules")).collect()
}

fn text(text: &str) -> Event {
    Event::Message(Message::Text(text.to_owned()))
}

#[test]
fn a_client_asks_and_speaks() {
    let mut side = asking(None);
    side.socket.send_text("early");
    side.connection.post_init();
    side.connection.connection_completed();
    let request = "GET /a?b HTTP/1.1\r\nHost: example.com:81\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n";
    assert_eq!(String::from_utf8(side.sent()).unwrap(), request);
    let mut server = codec::WebSocket::server(1000);
    server.send(Message::Text("at once".into())).unwrap();
    let answer = format!("{ACCEPTED}Sec-WebSocket-Protocol: superchat\r\n\r\n");
    let bytes = [answer.as_bytes(), &server.take_output()].concat();
    let (most, rest) = bytes.split_at(bytes.len() - 3);
    most.chunks(5).for_each(|piece| side.connection.receive_data(piece));
    side.check(&["open"]);
    side.connection.receive_data(rest);
    side.check(&["at once"]);
    assert_eq!(taken(&mut server, &side.sent()), [text("early")]);

    side.socket.close(4000, "enough").unwrap();
    assert_eq!(taken(&mut server, &side.sent()), [Event::Close(4000, "enough".to_owned())]);
    side.connection.receive_data(&server.take_output());
    assert!(side.wire.borrow().half_closed);
    side.connection.unbind(CloseReason::Closed);
    side.check(&["close 4000 enough"]);
}

#[test]
fn a_client_that_is_not_accepted_is_told_why() {
    let check = |answer: &str, why: &str| {
        for size in [answer.len(), 1] {
            let mut side = asking(None);
            side.connection.connection_completed();
            let pieces = answer.as_bytes().chunks(size);
            pieces.for_each(|piece| side.connection.receive_data(piece));
            assert_eq!(side.wire.borrow().ended, Some("closed"), "{answer}");
            side.connection.unbind(CloseReason::Closed);
            assert_eq!(side.log.take(), [format!("close 1006 {why}")], "{answer}");
        }
    };
    check(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "the server answers 404 Not Found",
    );
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "the server answers 200 OK");
    let other = "the server's answer is not one to this handshake";
    check(&format!("{}\r\n", ACCEPTED.replace("xOo", "xOp")), other);
    check(&format!("{}\r\n", ACCEPTED.replace("Upgrade: websocket", "Upgrade: h2c")), other);
    let protocol = "the server chooses a protocol that was not offered";
    check(&format!("{ACCEPTED}Sec-WebSocket-Protocol: other\r\n\r\n"), protocol);
    let extension = "the server accepts an extension that was not offered, or not in this way";
    check(&format!("{ACCEPTED}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), extension);

    let mut side = asking(None);
    side.connection.unbind(CloseReason::Refused);
    side.check(&[&format!("close 1006 no WebSocket with the server: {}", CloseReason::Refused)]);
    let mut side = asking(None);
    side.connection.connection_completed();
    advance(Duration::from_secs(20));
    assert_eq!(side.wire.borrow().ended, Some("closed"));
    side.connection.unbind(CloseReason::Closed);
    side.check(&["close 1006 the server did not answer in time"]);
    let mut side = asking(None);
    side.connection.connection_completed();
    side.connection.receive_data(b"\x16\x03\x01 no HTTP at all\r\n\r\n");
    side.connection.unbind(CloseReason::Closed);
    assert!(side.log.take()[0].starts_with("close 1006 "));
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let refused = |uri: &str| parse(uri).unwrap_err();
    assert!(parse("wss://a/").unwrap().is_tls && !parse("ws://a/").unwrap().is_tls);
    for uri in ["http://a/", "a", "", "ws:/a", "ws//a"] {
        assert!(matches!(refused(uri), ConnectError::Uri(_)), "{uri}");
    }
    assert!(matches!(refused("ws:///path"), ConnectError::Uri(_)));
    for name in ["Upgrade", "Sec-WebSocket-Key", "sec-websocket-extensions", "Connection"] {
        let mut headers = Headers::new();
        headers.append(name, "x").unwrap();
        let uri = parse("WS://[::1]/").unwrap();
        let asked = ask(&uri, headers, &settings(None), KEY.to_owned());
        assert!(matches!(asked, Err(ConnectError::Field(_))), "{name}");
    }
}

#[test]
fn compression_is_agreed_on() {
    let keep = Deflate { keep_own_context: true, keep_peers_context: true, threshold: 100 };
    let mut side = asking(Some(keep));
    side.connection.connection_completed();
    let request = String::from_utf8(side.sent()).unwrap();
    assert!(request.contains("Sec-WebSocket-Extensions: permessage-deflate\r\n"), "{request}");
    let mut offer = Headers::new();
    offer.append("Sec-WebSocket-Extensions", "permessage-deflate").unwrap();
    let (answer, agreed) = accept_deflate(&offer, &Deflate::default()).unwrap();
    let answer = format!("{ACCEPTED}Sec-WebSocket-Extensions: {answer}\r\n\r\n");
    side.connection.receive_data(answer.as_bytes());
    let mut server = codec::WebSocket::server(100_000).with_deflate(agreed);
    side.socket.send_text("x".repeat(1000));
    let sent = side.sent();
    assert!(sent.len() < 100);
    assert_eq!(taken(&mut server, &sent), [text(&"x".repeat(1000))]);
    server.send(Message::Binary(vec![0; 90_000])).unwrap();
    side.connection.receive_data(&server.take_output());
    // The bound is on what a message means.
    server.send(Message::Binary(vec![0; 100_001])).unwrap();
    side.connection.receive_data(&server.take_output());
    side.check(&["open", "90000 bytes", "close 1009 "]);
}

fn accepted() -> Side<Driver<Noting>> {
    side(|transport, make| Driver::accepted(transport, settings(None), None, make))
}

#[test]
fn a_paused_websocket_keeps_messages_back() {
    let mut side = accepted();
    side.connection.opened();
    let mut client = codec::WebSocket::client(1000);
    for word in ["one", "pause", "two", "three"] {
        client.send(Message::Text(word.into())).unwrap();
    }
    side.connection.receive(&client.take_output());
    side.check(&["open", "one", "pause"]);
    assert!(side.wire.borrow().paused && side.socket.is_paused());
    // Nothing can be heard of it, which is no reason to give it up.
    advance(Duration::from_secs(300));
    assert_eq!(side.wire.borrow().ended, None);
    assert!(side.sent().is_empty());
    side.socket.resume();
    assert!(!side.wire.borrow().paused);
    side.check(&[]);
    turn();
    side.check(&["two", "three"]);
    // Closing has the answer read.
    side.socket.pause();
    side.socket.close(1000, "").unwrap();
    assert!(!side.wire.borrow().paused);
}

#[test]
fn what_waits_when_the_connection_ends_is_not_delivered_after_it() {
    let mut side = accepted();
    side.connection.opened();
    let mut client = codec::WebSocket::client(1000);
    for word in ["pause", "late"] {
        client.send(Message::Text(word.into())).unwrap();
    }
    side.connection.receive(&client.take_output());
    side.connection.unbind(CloseReason::Reset);
    side.socket.resume();
    turn();
    side.check(&["open", "pause", "close 1006 "]);
}

#[test]
fn a_peer_that_does_not_read_is_behind() {
    let mut side = accepted();
    side.connection.opened();
    side.wire.borrow_mut().outbound = 100_000;
    assert!(side.socket.is_full());
    side.connection.drained();
    side.wire.borrow_mut().outbound = 0;
    side.connection.drained();
    assert!(!side.socket.is_full());
    side.check(&["open", "drained"]);
}

#[test]
fn bad_text_ends_it_at_its_first_bad_byte() {
    let mut side = accepted();
    side.connection.opened();
    // 100 bytes are announced, and the second of two is bad.
    side.connection.receive(b"\x81\xe4\0\0\0\0a\xff");
    side.check(&["open", "close 1007 "]);
    assert_eq!(side.sent(), b"\x88\x02\x03\xef");
    assert!(side.wire.borrow().half_closed);
}
