//! `callback` and `errback`: whoever asked is told one of two things.

use sandloop::{
    CloseReason, Connection, DefaultDeferrable, Deferrable, Program, Socket, connect_unix, options,
    stop,
};

/// Asks for a page and tells the status of the answer.
struct Request {
    socket: Socket,
    response: DefaultDeferrable<u16, CloseReason>,
}

impl Connection for Request {
    fn connection_completed(&mut self) {
        self.socket.send_data("GET / HTTP/1.0\r\n\r\n");
    }

    fn receive_data(&mut self, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        if let Some(status) = status {
            self.response.succeed(status);
        }
    }

    fn unbind(&mut self, reason: CloseReason) {
        if !self.response.is_settled() {
            self.response.fail(reason);
        }
    }
}

fn request(path: String) -> sandloop::Result<DefaultDeferrable<u16, CloseReason>> {
    let response = DefaultDeferrable::new();
    let df = response.clone();
    connect_unix(path, |socket| Request { socket, response })?;
    Ok(df)
}

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let df = request(options::get("path").ok_or("option `path` is missing")?)?;
        df.callback(|status| {
            println!("Succeeded: {status}");
            stop();
        });
        df.errback(|reason| {
            println!("ERROR: {reason:?}");
            stop();
        });
        Ok(())
    }
}

/// Stands for postrank.com.
struct Moved(Socket);

impl Connection for Moved {
    fn receive_data(&mut self, _data: &[u8]) {
        self.0.send_data("HTTP/1.0 301 Moved Permanently\r\n\r\n");
        self.0.close_connection_after_writing();
    }
}

sandloop::plugin! { handlers: [Moved], program: Start }
