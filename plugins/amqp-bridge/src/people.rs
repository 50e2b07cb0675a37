//! The end where the people are: lines over TCP, messages over WebSocket.

use sandloop::{
    Channel, Queue, Socket, Subscription,
    frames::{LineError, LineLimits, LineText2},
    http::{
        HttpServer, Message, Method, Request, Response, WebSocket, WebSocketHandler,
        WebSocketSettings,
    },
    types::ErrorCode,
};

use crate::broker::{IN, OUT};

/// Bytes of a line.
const LINE_MAX: usize = 64 * 1024;

/// Has a line go to the broker, without its end.
fn send(line: &[u8]) -> Result<(), ErrorCode> {
    Queue::new(OUT).try_push(line)
}

/// Lines over TCP.
pub(crate) struct Lines {
    socket: Socket,
    hears: Subscription,
    ended: bool,
}

impl Lines {
    pub(crate) fn new(socket: Socket) -> Self {
        let peer = socket.clone();
        let hears = Channel::new(IN).subscribe(move |line| peer.send_data(line));
        Lines { socket, hears, ended: false }
    }

    /// Says why, and ends: a line that is lost must not pass for one that was sent.
    fn end(&mut self, why: &str) {
        self.ended = true;
        self.hears.unsubscribe();
        self.socket.send_data(format!("! {why}\n"));
        self.socket.close_connection_after_writing();
    }
}

impl LineText2 for Lines {
    fn receive_line(&mut self, line: &[u8]) {
        if !self.ended && send(line).is_err() {
            self.end("the broker does not keep up");
        }
    }

    fn receive_error(&mut self, _: LineError) {
        if !self.ended {
            self.end("a line is too long");
        }
    }

    fn limits(&self) -> LineLimits {
        LineLimits { line: LINE_MAX, ..LineLimits::default() }
    }
}

/// Messages over WebSocket, at any path.
pub(crate) struct Web;

impl HttpServer for Web {
    fn process_http_request(&mut self, request: Request, mut response: Response) {
        if request.method == Method::GET && request.headers.contains("upgrade") {
            let settings = WebSocketSettings { message: LINE_MAX, ..WebSocketSettings::default() };
            return response.accept_websocket(&request, settings, Person::new);
        }
        response.status(426).header("Upgrade", "websocket").content_type("text/plain");
        response.content("Here is a WebSocket.\n");
        response.send_response();
    }
}

/// Somebody with a WebSocket.
struct Person {
    socket: WebSocket,
    hears: Option<Subscription>,
}

impl Person {
    fn new(socket: WebSocket) -> Self {
        let ear = socket.clone();
        let hears = Channel::new(IN).try_subscribe(move |line| {
            if ear.is_full() {
                return leave(&ear, 1013, "too slow");
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            ear.send_text(String::from_utf8_lossy(line));
        });
        if hears.is_err() {
            leave(&socket, 1013, "no more subscriptions");
        }
        Person { socket, hears: hears.ok() }
    }
}

impl WebSocketHandler for Person {
    fn message(&mut self, message: Message) {
        let sent = match &message {
            Message::Text(text) => send(text.as_bytes()),
            Message::Binary(bytes) => send(bytes),
        };
        if sent.is_err() {
            leave(&self.socket, 1013, "the broker does not keep up");
        }
    }

    fn close(&mut self, _code: u16, _reason: &str) {
        if let Some(hears) = self.hears.take() {
            hears.unsubscribe();
        }
    }
}

fn leave(socket: &WebSocket, code: u16, reason: &str) {
    // It fails where it is closing already.
    let _ = socket.close(code, reason);
}
