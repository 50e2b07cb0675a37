//! `EM.connect_unix`: a client of a Unix socket.

use sandloop::{CloseReason, Connection, Program, Socket, connect_unix, options, stop};

struct Connector(Socket);

impl Connection for Connector {
    fn post_init(&mut self) {
        self.0.send_data("helo");
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
        let path = options::get("path").ok_or("option `path` is missing")?;
        connect_unix(path, Connector)?;
        Ok(())
    }
}

struct Echo(Socket);

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }
}

sandloop::plugin! { handlers: [Echo], program: Start }
