//! Slow answers: `/timer?ms=N`, `/defer?ms=N`, and any other path with the number of bytes that it got. A WebSocket answers
//! `timer N`, and when it is drained it closes with 1001 behind the pending answer.

use std::{cell::Cell, rc::Rc, time::Duration};

use sandloop::{
    Operation, add_timer, defer,
    http::{
        HttpServer, Intake, Message, Request, RequestHead, Response, WebSocket, WebSocketHandler,
        WebSocketSettings,
    },
};

struct HttpDrains;

impl HttpServer for HttpDrains {
    fn take_body(&mut self, _: &RequestHead) -> Intake {
        Intake::Collect(1 << 20)
    }

    fn process_http_request(&mut self, request: Request, mut response: Response) {
        let time = request.query("ms").and_then(|value| value.parse().ok()).unwrap_or(0);
        let answer = move |mut response: Response, content: &str| {
            response.content(content.to_owned());
            response.send_response();
        };
        match request.path() {
            "/timer" => {
                add_timer(Duration::from_millis(time), move || answer(response, "timer"));
            }
            "/defer" => {
                let sleep = Operation::with(time, |time: u64| {
                    std::thread::sleep(Duration::from_millis(time));
                    Ok(time)
                });
                defer(
                    sleep,
                    move |_: u64| answer(response, "deferred"),
                    |failed| panic!("{failed:?}"),
                );
            }
            "/chat" => {
                let settings = WebSocketSettings::default();
                response.accept_websocket(&request, settings, Chat::new);
            }
            _ => {
                response.content(request.content().len().to_string());
                response.send_response();
            }
        }
    }
}

struct Chat {
    socket: WebSocket,
    /// Answers that are due, and whether it is to end behind them.
    state: Rc<Cell<(u32, bool)>>,
}

impl Chat {
    fn new(socket: WebSocket) -> Self {
        Chat { socket, state: Rc::default() }
    }
}

impl WebSocketHandler for Chat {
    fn message(&mut self, message: Message) {
        let Message::Text(text) = message else { return };
        let Some(time) = text.strip_prefix("timer ").and_then(|time| time.parse().ok()) else {
            return self.socket.send_text(text);
        };
        let (due, ends) = self.state.get();
        self.state.set((due + 1, ends));
        let (socket, state) = (self.socket.clone(), self.state.clone());
        add_timer(Duration::from_millis(time), move || {
            socket.send_text("timer");
            let (due, ends) = state.get();
            state.set((due - 1, ends));
            if ends && due == 1 {
                // It fails where the peer was first.
                let _ = socket.close(1001, "");
            }
        });
    }

    fn draining(&mut self, _: Duration) -> bool {
        let (due, _) = self.state.get();
        self.state.set((due, true));
        due == 0
    }
}

sandloop::plugin! { handlers: [HttpDrains] }
