//! WebSockets on the server's connections.

use std::time::Duration;

use sandloop_http::websocket::{self as codec, Event};

use super::*;
use crate::{
    http::{Message, WebSocket, WebSocketHandler, WebSocketSettings},
    testing::advance,
};

pub(super) const ASK: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: Upgrade\r\n\r\n";

type Log = Rc<RefCell<Vec<String>>>;

/// Greets, then sends back what it is told, and notes everything.
pub(super) struct Echo {
    pub socket: WebSocket,
    pub log: Log,
}

impl WebSocketHandler for Echo {
    fn open(&mut self) {
        self.socket.send_text("welcome");
    }

    fn message(&mut self, message: Message) {
        self.log.borrow_mut().push(format!("{message:?}"));
        self.socket.send(message).unwrap();
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.log.borrow_mut().push(format!("close {code} {reason}"));
    }
}

fn accept(request: &Request, response: Response, log: Log) {
    response.accept_websocket(request, WebSocketSettings::default(), |socket| Echo { socket, log });
}

fn chatting() -> (Client, Log) {
    let log = Log::default();
    let client = Client::of({
        let log = log.clone();
        move |request, response| accept(&request, response, log.clone())
    });
    (client, log)
}

/// What the server sent, as the client's side of the protocol sees it.
fn events(client: &Client, side: &mut codec::WebSocket) -> Vec<Event> {
    side.receive(&std::mem::take(&mut client.wire().sent));
    std::iter::from_fn(|| side.poll().unwrap()).collect()
}

fn text(text: &str) -> Event {
    Event::Message(Message::Text(text.to_owned()))
}

#[test]
fn messages_go_both_ways() {
    let (client, log) = chatting();
    let mut side = codec::WebSocket::client(1000);
    side.send(Message::Text("at once".into())).unwrap();
    // The first message may come with the handshake.
    client.send([ASK.as_bytes(), &side.take_output()].concat());
    let sent = std::mem::take(&mut client.wire().sent);
    let rest = sent.strip_prefix(ACCEPTED.as_bytes()).unwrap().to_vec();
    client.wire().sent = rest;
    assert_eq!(events(&client, &mut side), [text("welcome"), text("at once")]);
    assert_eq!(client.wire().inactivity_timeout, Duration::ZERO);

    side.close(4001, "enough").unwrap();
    client.send(side.take_output());
    assert_eq!(events(&client, &mut side), [Event::Close(4001, "enough".into())]);
    assert!(client.wire().half_closed);
    client.unbind(CloseReason::Closed);
    assert_eq!(log.take(), [r#"Text("at once")"#, "close 4001 enough"]);
}

#[test]
fn a_client_that_breaks_the_rules_is_told() {
    let (client, log) = chatting();
    client.send(ASK);
    client.wire().sent.clear();
    client.send(b"\x81\x01x");
    assert_eq!(client.wire().sent, b"\x88\x02\x03\xea");
    assert_eq!(log.take(), ["close 1002 "]);
    // It still sends, and has time to read why that is of no use.
    assert!(client.wire().half_closed && client.wire().ended.is_none());
    client.send(b"\x81\x01x");
    advance(Duration::from_secs(5));
    assert_eq!(client.wire().sent, b"\x88\x02\x03\xea");
    assert_eq!(client.wire().ended, Some("closed"));
}

#[test]
fn a_connection_that_goes_without_a_word_is_told() {
    let (client, log) = chatting();
    client.send(ASK);
    client.unbind(CloseReason::Reset);
    assert_eq!(log.take(), ["close 1006 "]);
    // No ping is due any more.
    client.wire().sent.clear();
    advance(Duration::from_secs(100));
    client.expect("");
}

#[test]
fn a_silent_client_is_pinged_and_given_up() {
    let (client, _) = chatting();
    let mut side = codec::WebSocket::client(1000);
    client.send(ASK);
    client.wire().sent.clear();
    for _ in 0..3 {
        advance(Duration::from_secs(30));
        assert_eq!(events(&client, &mut side), [Event::Ping(Vec::new())]);
        client.send(side.take_output());
    }
    advance(Duration::from_secs(30));
    assert_eq!(client.wire().ended, None);
    advance(Duration::from_secs(30));
    assert_eq!(client.wire().ended, Some("closed"));
}

#[test]
fn a_close_that_is_not_answered_ends_all_the_same() {
    let log = Log::default();
    let client = Client::of(move |request, response| {
        response.accept_websocket(&request, WebSocketSettings::default(), {
            let log = log.clone();
            |socket| {
                socket.close(1001, "going").unwrap();
                Echo { socket, log }
            }
        });
    });
    client.send(ASK);
    assert_eq!(client.wire().ended, None);
    advance(Duration::from_secs(5));
    assert_eq!(client.wire().ended, Some("closed"));
}

#[test]
fn a_later_answer_upgrades_too() {
    let kept: Rc<RefCell<Vec<(Request, Response)>>> = Rc::default();
    let client = Client::of({
        let kept = kept.clone();
        move |request, response| kept.borrow_mut().push((request, response))
    });
    let mut side = codec::WebSocket::client(1000);
    side.send(Message::Text("early".into())).unwrap();
    client.send([GET.as_bytes(), ASK.as_bytes(), &side.take_output()].concat());
    // What follows is not looked at, and no more is read.
    assert!(client.wire().paused);
    let log = Log::default();
    let (request, response) = kept.borrow_mut().pop().unwrap();
    accept(&request, response, log.clone());
    client.expect("");
    assert!(client.wire().paused);
    let (_, first) = kept.borrow_mut().pop().unwrap();
    answer(first, "x");
    advance(Duration::ZERO);
    let sent = std::mem::take(&mut client.wire().sent);
    let before = head(1) + "x" + ACCEPTED;
    client.wire().sent = sent.strip_prefix(before.as_bytes()).unwrap().to_vec();
    assert_eq!(events(&client, &mut side), [text("welcome"), text("early")]);
    assert!(!client.wire().paused);
}

#[test]
fn a_refused_upgrade_leaves_http() {
    let client = Client::of(|request, mut response| {
        if request.path() == "/chat" {
            response.status(403);
        }
        answer(response, "");
    });
    client.send([ASK, GET].concat());
    client.expect(&("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned() + &head(0)));
}

#[test]
fn a_bad_handshake_is_refused_with_the_reason() {
    let check = |from: &str, to: &str, expected: &str| {
        let (client, _) = chatting();
        client.send(ASK.replace(from, to));
        let received = client.received();
        assert!(received.starts_with(expected), "{received}");
    };
    check(
        "Version: 13",
        "Version: 8",
        "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\
         Content-Type: text/plain\r\nContent-Length: 41\r\nConnection: Upgrade\r\n",
    );
    check("GET", "PUT", "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n");
    check("dGhl", "", "HTTP/1.1 400 Bad Request\r\n");
    check(
        "Upgrade: websocket",
        "Upgrade: h2c",
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\
         Content-Type: text/plain\r\nContent-Length: 50\r\nConnection: Upgrade\r\n",
    );
}

/// Sends much at once, and notes that it may send more.
struct Talker {
    socket: WebSocket,
    log: Log,
}

impl WebSocketHandler for Talker {
    fn open(&mut self) {
        for _ in 0..20 {
            self.socket.send_binary(vec![7; 10_000]);
        }
        assert!(self.socket.is_full());
    }

    fn message(&mut self, message: Message) {
        self.log.borrow_mut().push(format!("{message:?}"));
    }

    fn drained(&mut self) {
        assert!(!self.socket.is_full());
        self.log.borrow_mut().push("room".to_owned());
    }
}

fn talking_to_a_slow_client() -> (Client, Log) {
    let log = Log::default();
    let client = Client::of({
        let log = log.clone();
        move |request, response| {
            let log = log.clone();
            response.accept_websocket(&request, WebSocketSettings::default(), |socket| Talker {
                socket,
                log,
            });
        }
    });
    client.wire().fills = true;
    client.send(ASK);
    (client, log)
}

/// The client reads `bytes`, and nobody says that there is room.
fn read(client: &Client, bytes: usize) {
    let left = client.wire().outbound.saturating_sub(bytes);
    client.wire().outbound = left;
    advance(Duration::from_millis(100));
}

#[test]
fn a_client_that_reads_slowly_is_heard_and_gets_everything() {
    let (client, log) = talking_to_a_slow_client();
    let mut side = codec::WebSocket::client(1 << 20);
    side.send(Message::Text("hear me".into())).unwrap();
    client.send(side.take_output());
    assert_eq!(log.take(), [r#"Text("hear me")"#]);
    for _ in 0..40 {
        // The host does not read a connection whose outbox is above 64 KiB.
        assert!(client.wire().outbound <= 48 * 1024);
        read(&client, 15_000);
    }
    assert_eq!(log.take(), ["room"]);
    let sent = std::mem::take(&mut client.wire().sent);
    client.wire().sent = sent.strip_prefix(ACCEPTED.as_bytes()).unwrap().to_vec();
    assert_eq!(events(&client, &mut side).len(), 20);
    assert_eq!(client.wire().ended, None);
}

#[test]
fn a_client_that_reads_slowly_answers_its_pings() {
    let (client, _) = talking_to_a_slow_client();
    let mut side = codec::WebSocket::client(1 << 20);
    for _ in 0..5 {
        advance(Duration::from_secs(30));
        // It answers one that it has not read yet: what counts is that it is heard.
        side.ping(b"").unwrap();
        client.send(side.take_output());
        assert_eq!(client.wire().ended, None);
        assert!(client.wire().outbound <= 48 * 1024);
    }
}

#[test]
fn what_waits_is_sent_before_the_end() {
    let (client, _) = talking_to_a_slow_client();
    let mut side = codec::WebSocket::client(1 << 20);
    side.close(1000, "").unwrap();
    client.send(side.take_output());
    for _ in 0..40 {
        read(&client, 15_000);
    }
    assert_eq!(client.wire().ended, Some("closed after writing"));
    assert!(200_000 < client.wire().sent.len());

    // Unless it is not read.
    let (client, _) = talking_to_a_slow_client();
    let mut side = codec::WebSocket::client(1 << 20);
    side.close(1000, "").unwrap();
    client.send(side.take_output());
    assert_eq!(client.wire().ended, None);
    advance(Duration::from_secs(5));
    assert_eq!(client.wire().ended, Some("closed"));
}

#[test]
fn a_client_that_only_talks_is_not_read_for_ever() {
    let (client, _) = chatting();
    let mut side = codec::WebSocket::client(1 << 20);
    client.wire().fills = true;
    client.send(ASK);
    let mut said = 0;
    while !client.wire().paused {
        side.send(Message::Binary(vec![7; 10_000])).unwrap();
        client.send(side.take_output());
        said += 10_000;
        assert!(said < 400_000);
    }
    // It is there as long as it reads, though it is not heard.
    for _ in 0..5 {
        read(&client, 10);
        advance(Duration::from_secs(30));
        assert_eq!(client.wire().ended, None);
    }
    for _ in 0..20 {
        read(&client, 15_000);
    }
    assert!(!client.wire().paused);

    client.wire().outbound = 0;
    advance(Duration::from_secs(60));
    assert_eq!(client.wire().ended, Some("closed"));
}
