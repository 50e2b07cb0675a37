//! Requests a WebSocket from the server of option `uri`, sends a text of each of the option `sizes`, prints the answers, and
//! closes with 4000. Option `deflate` as in `http_websocket`. For `wss:` its profile is `trusts`.

use sandloop::{
    Program,
    http::{Deflate, Headers, Message, WebSocket, WebSocketHandler, WebSocketSettings},
    options, stop,
};

struct Asker {
    socket: WebSocket,
    left: usize,
}

impl Asker {
    fn new(socket: WebSocket) -> Self {
        let sizes = options::get("sizes").unwrap_or_default();
        let sizes: Vec<usize> = sizes.split_whitespace().flat_map(str::parse).collect();
        for size in &sizes {
            socket.send_text("é".repeat(*size));
        }
        Asker { socket, left: sizes.len() }
    }
}

impl WebSocketHandler for Asker {
    fn open(&mut self) {
        println!("open");
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Text(text) => println!("text {}", text.chars().count()),
            Message::Binary(bytes) => println!("binary {}", bytes.len()),
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            // It fails where the server was first.
            let _ = self.socket.close(4000, "enough");
        }
    }

    fn close(&mut self, code: u16, reason: &str) {
        println!("close {code} {reason}");
        stop();
    }
}

struct Ask;

impl Program for Ask {
    fn start() -> sandloop::Result {
        let uri = options::get("uri").ok_or("option `uri` is missing")?;
        let keep = options::get("deflate").map(|word| word == "keep");
        let deflate = keep.map(|keep| Deflate {
            keep_own_context: keep,
            keep_peers_context: keep,
            ..Deflate::default()
        });
        let settings = WebSocketSettings {
            deflate,
            tls_profile: Some("trusts"),
            ..WebSocketSettings::default()
        };
        let mut headers = Headers::new();
        headers.append("Sec-WebSocket-Protocol", "chat")?;
        WebSocket::connect_with(&uri, headers, settings, Asker::new)?;
        Ok(())
    }
}

sandloop::plugin! { program: Ask }
