//! Accepts every request for a WebSocket, greets, and echoes messages. `close CODE REASON` closes with them; the client's close
//! is a line of the log. `pause` stops reading for half a second.
//!
//! Option `deflate`: `forget` and `keep` compress, without and with the context of earlier messages.

use std::time::Duration;

use sandloop::{
    Options, add_timer,
    http::{
        Deflate, HttpServer, Message, Request, Response, WebSocket, WebSocketHandler,
        WebSocketSettings,
    },
};

struct HttpWebsocket(Option<Deflate>);

impl HttpWebsocket {
    fn new(options: &Options) -> Self {
        let keep = |keep| Deflate {
            keep_own_context: keep,
            keep_peers_context: keep,
            ..Deflate::default()
        };
        HttpWebsocket(options.get("deflate").map(|word| keep(word == "keep")))
    }
}

impl HttpServer for HttpWebsocket {
    fn process_http_request(&mut self, request: Request, response: Response) {
        let settings =
            WebSocketSettings { message: 100_000, deflate: self.0, ..WebSocketSettings::default() };
        response.accept_websocket(&request, settings, Echo);
    }
}

struct Echo(WebSocket);

impl WebSocketHandler for Echo {
    fn open(&mut self) {
        self.0.send_text("welcome");
    }

    fn message(&mut self, message: Message) {
        let words = match &message {
            Message::Text(text) => text.splitn(3, ' ').collect(),
            Message::Binary(_) => Vec::new(),
        };
        if let ["close", code, reason] = words[..] {
            let code = code.parse().expect("a code");
            self.0.close(code, reason).expect("a code that can be sent");
        } else if words[..] == ["pause"] {
            self.0.pause();
            let socket = self.0.clone();
            add_timer(Duration::from_millis(500), move || socket.resume());
        } else {
            self.0.send(message).expect("it is open");
        }
    }

    fn close(&mut self, code: u16, reason: &str) {
        sandloop::info!("closed {code} {reason}");
    }
}

sandloop::plugin! { handlers: [HttpWebsocket::new] }
