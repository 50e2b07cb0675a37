//! Takes every request for a WebSocket, greets, and sends back what it is told. `close CODE REASON` closes with them;
//! the client's close is a line of the log.

use sandloop::http::{
    HttpServer, Message, Request, Response, WebSocket, WebSocketHandler, WebSocketSettings,
};

struct HttpWebsocket;

impl HttpServer for HttpWebsocket {
    fn process_http_request(&mut self, request: Request, response: Response) {
        let settings = WebSocketSettings { message: 100_000, ..WebSocketSettings::default() };
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
        } else {
            self.0.send(message).expect("it is open");
        }
    }

    fn close(&mut self, code: u16, reason: &str) {
        sandloop::info!("closed {code} {reason}");
    }
}

sandloop::plugin! { handlers: [HttpWebsocket] }
