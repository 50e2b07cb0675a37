//! A chat over WebSocket: `/` is its page, `/chat?room=NAME` its WebSocket. What one says, everybody in the room hears,
//! in the same order.

use sandloop::{
    Channel, Subscription,
    http::{
        HttpServer, Message, Method, Request, Response, WebSocket, WebSocketHandler,
        WebSocketSettings,
    },
};

struct WsChat;

/// Bytes of a message.
const MESSAGE_MAX: usize = 4096;
/// Bytes of a room's name.
const ROOM_MAX: usize = 64;

impl HttpServer for WsChat {
    fn process_http_request(&mut self, request: Request, mut response: Response) {
        match (&request.method, request.path()) {
            (&Method::GET | &Method::HEAD, "/") => {
                response.content_type("text/html; charset=utf-8");
                response.content(include_str!("page.html")).compress();
                response.send_response();
            }
            (&Method::GET, "/chat") => enter(&request, response),
            _ => {
                response.status(404).content_type("text/plain").content("The chat is at /.\n");
                response.send_response();
            }
        }
    }
}

fn enter(request: &Request, mut response: Response) {
    let room = request.query("room").filter(|room| !room.is_empty()).unwrap_or("lobby".to_owned());
    if ROOM_MAX < room.len() || room.contains(char::is_control) {
        response.status(400).content_type("text/plain").content("No room has such a name.\n");
        return response.send_response();
    }
    let settings = WebSocketSettings { message: MESSAGE_MAX, ..WebSocketSettings::default() };
    response.accept_websocket(request, settings, move |socket| Guest::enter(socket, &room));
}

/// Somebody in a room.
struct Guest {
    socket: WebSocket,
    room: Channel,
    hears: Option<Subscription>,
}

impl Guest {
    fn enter(socket: WebSocket, room: &str) -> Guest {
        let room = Channel::new(&format!("ws-chat {room}"));
        let ear = socket.clone();
        let hears = room.try_subscribe(move |message| {
            if ear.is_full() {
                // A hole in the talk would be worse.
                leave(&ear, 1013, "too slow");
            } else {
                ear.send_text(String::from_utf8_lossy(message));
            }
        });
        if hears.is_err() {
            leave(&socket, 1013, "no more rooms");
        }
        Guest { socket, room, hears: hears.ok() }
    }
}

impl WebSocketHandler for Guest {
    fn message(&mut self, message: Message) {
        match message {
            Message::Text(text) => {
                if self.room.try_push(text).is_err() {
                    self.socket.send_text("(nobody heard that: the room is too loud)");
                }
            }
            Message::Binary(_) => leave(&self.socket, 1003, "text, please"),
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

sandloop::plugin! { handlers: [WsChat] }
