//! A server that sends messages back, fed with bytes.

use sandloop_http::websocket::{Event, Message, WebSocket};

pub const MESSAGE_MAX: usize = 1024 * 1024;

/// How a case ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody has closed it.
    Open,
    /// The client has closed it with this code, and was answered with the same.
    Clean(u16),
    /// The server has found a fault, and said so with this code.
    Failed(u16),
}

/// What a server says to pieces, and how it ends.
pub fn run(mut server: WebSocket, pieces: &[&[u8]]) -> (Vec<u8>, End) {
    let mut sent = Vec::new();
    let mut end = End::Open;
    for piece in pieces {
        server.receive(piece);
        loop {
            match server.poll() {
                Ok(Some(Event::Message(message))) => server.send(message).unwrap(),
                Ok(Some(Event::Close(code, _))) => end = End::Clean(code),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => end = End::Failed(error.code()),
            }
        }
        sent.extend(server.take_output());
    }
    (sent, end)
}

/// The messages and control frames that a client takes from what was sent; its own side is the codec, too.
pub fn taken(mut client: WebSocket, sent: &[u8]) -> Vec<Event> {
    client.receive(sent);
    std::iter::from_fn(|| client.poll().expect("the server keeps the rules")).collect()
}

/// Sends a case's bytes in several ways, and compares what comes back, up to the close.
#[track_caller]
pub fn check(name: &str, bytes: &[u8], back: &[(u8, &[u8])], end: End) {
    let mut cuts = vec![bytes.len().max(1), 1300];
    // In small pieces a large message takes long and shows nothing new.
    if bytes.len() < 100_000 {
        cuts.extend([1, 7]);
    }
    for size in cuts {
        let pieces: Vec<_> = bytes.chunks(size).collect();
        let (sent, seen) = run(WebSocket::server(MESSAGE_MAX), &pieces);
        assert_eq!(seen, end, "{name} in pieces of {size}");
        let mut expected: Vec<_> = back.iter().map(event).collect();
        match end {
            End::Open => {}
            End::Clean(code) | End::Failed(code) => {
                expected.push(Event::Close(code, String::new()));
            }
        }
        let mut events = taken(WebSocket::client(2 * MESSAGE_MAX), &sent);
        if let Some(Event::Close(_, reason)) = events.last_mut() {
            reason.clear();
        }
        let what = format!("{name} in pieces of {size}");
        assert!(events == expected, "{what}: {}", shortened(&events));
    }
}

fn event((first, payload): &(u8, &[u8])) -> Event {
    match first {
        0x81 => Event::Message(Message::Text(String::from_utf8(payload.to_vec()).unwrap())),
        0x82 => Event::Message(Message::Binary(payload.to_vec())),
        0x8a => Event::Pong(payload.to_vec()),
        other => panic!("{other:#x} does not come back"),
    }
}

fn shortened(events: &[Event]) -> String {
    events.iter().map(|event| format!("{event:?} ").chars().take(100).collect::<String>()).collect()
}
