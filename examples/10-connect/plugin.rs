//! `EM.connect`: a client of a web server.

use sandloop::{CloseReason, Connection, Program, Socket, connect, options, stop};

struct Connector(Socket);

impl Connection for Connector {
    fn post_init(&mut self) {
        println!("Getting /");
        self.0.send_data("GET / HTTP/1.1\r\nHost: MagicBob\r\n\r\n");
    }

    fn receive_data(&mut self, data: &[u8]) {
        println!("Received {} bytes", data.len());
        self.0.close_connection_after_writing();
    }

    fn unbind(&mut self, _reason: CloseReason) {
        println!("Terminated");
        stop();
    }
}

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let host = options::get("host").ok_or("option `host` is missing")?;
        let port = options::parse("port")?.unwrap_or(80);
        connect(host, port, Connector)?;
        Ok(())
    }
}

/// In the place of www.postrank.com: answers with 1448 bytes.
struct Web(Socket);

impl Connection for Web {
    fn receive_data(&mut self, _request: &[u8]) {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1407\r\n\r\n";
        self.0.send_data(format!("{head}{:*<1$}", "", 1448 - head.len()));
    }
}

sandloop::plugin! { handlers: [Web], program: Start }
