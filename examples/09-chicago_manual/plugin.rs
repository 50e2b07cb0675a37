//! "The Chicago Manual": every callback of a connection that this side makes.

use sandloop::{Address, CloseReason, Connection, Program, Socket, connect_to, options, stop};

struct Manual(Socket);

impl Connection for Manual {
    fn post_init(&mut self) {
        println!("post_init");
    }

    fn connection_completed(&mut self) {
        println!("connection_completed");
        println!("send_data hello");
        self.0.send_data("hello");
    }

    fn receive_data(&mut self, data: &[u8]) {
        println!("receive_data {}", String::from_utf8_lossy(data));
        println!("close_connection");
        self.0.close_connection();
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
        stop();
    }
}

struct Echo(Socket);

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }
}

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let server: Address = options::parse("server")?.ok_or("option `server` is missing")?;
        connect_to(&server, Manual)?;
        Ok(())
    }
}

sandloop::plugin! { handlers: [Echo], program: Start }
