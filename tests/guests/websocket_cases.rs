//! A test suite's peer, in both roles: accepts every request for a WebSocket and echoes messages; with option `suite`
//! (`ws://HOST:PORT`) it connects to a suite that is a server, runs every case of it and stops the host.
//!
//! Messages of 16 MiB are accepted, and compressed with the context of earlier ones; with option `contexts` = `forget` each
//! separately.

use std::time::Duration;

use sandloop::{
    Program,
    http::{
        Deflate, HttpServer, Message, Request, Response, WebSocket, WebSocketHandler,
        WebSocketSettings,
    },
    options, stop,
};

fn settings() -> WebSocketSettings {
    let keep = options::get("contexts").is_none_or(|word| word == "keep");
    let deflate = Deflate { keep_own_context: keep, keep_peers_context: keep, threshold: 0 };
    WebSocketSettings {
        message: 16 << 20,
        ping: Duration::from_secs(600),
        deflate: Some(deflate),
        ..WebSocketSettings::default()
    }
}

struct Server;

fn new(_: &sandloop::Options) -> Server {
    Server
}

impl HttpServer for Server {
    fn process_http_request(&mut self, request: Request, response: Response) {
        response.accept_websocket(&request, settings(), |socket| Echo { socket, next: None });
    }
}

/// Sends back what it is told.
struct Echo {
    socket: WebSocket,
    /// The suite's case after this one.
    next: Option<usize>,
}

impl WebSocketHandler for Echo {
    fn message(&mut self, message: Message) {
        // It fails only where this side has closed.
        let _ = self.socket.send(message);
    }

    fn close(&mut self, code: u16, reason: &str) {
        sandloop::debug!("closed {code} {reason}");
        if let Some(next) = self.next {
            run(next);
        }
    }
}

/// Asks how many cases there are.
struct Count {
    cases: Option<usize>,
}

impl WebSocketHandler for Count {
    fn message(&mut self, message: Message) {
        if let Message::Text(text) = message {
            self.cases = text.trim().parse().ok();
        }
    }

    fn close(&mut self, _: u16, reason: &str) {
        let cases = self.cases.unwrap_or_else(|| panic!("the suite has no cases: {reason}"));
        CASES.set(cases);
        run(1);
    }
}

thread_local! {
    static CASES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Has the suite run a case, then those after it.
fn run(case: usize) {
    if CASES.get() < case {
        ask("/updateReports?agent=sandloop", |_| Report);
        return;
    }
    let path = format!("/runCase?case={case}&agent=sandloop");
    ask(&path, move |socket| Echo { socket, next: Some(case + 1) });
}

/// Is told that the suite has written its report.
struct Report;

impl WebSocketHandler for Report {
    fn message(&mut self, _: Message) {}

    fn close(&mut self, _: u16, _: &str) {
        stop();
    }
}

fn ask<H: WebSocketHandler>(path: &str, make: impl FnOnce(WebSocket) -> H + 'static) {
    let suite = options::get("suite").expect("it is the program's option");
    WebSocket::connect(&format!("{suite}{path}"), settings(), make).expect("a good address");
}

struct Client;

impl Program for Client {
    fn start() -> sandloop::Result {
        if options::get("suite").is_some() {
            ask("/getCaseCount", |_| Count { cases: None });
        }
        Ok(())
    }
}

sandloop::plugin! { handlers: [new], program: Client }
