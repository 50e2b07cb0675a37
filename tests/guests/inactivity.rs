//! An echo that is closed after its listener's option `timeout`, in milliseconds, without traffic. Prints
//! `unbind` with the reason.

use std::time::Duration;

use sandloop::{CloseReason, Connection, Options, Socket};

struct Inactivity(Socket);

impl Inactivity {
    fn new(socket: Socket, options: &Options) -> Self {
        let timeout = options.parse("timeout").expect("a number of milliseconds").unwrap_or(0);
        socket.set_comm_inactivity_timeout(Duration::from_millis(timeout));
        Inactivity(socket)
    }
}

impl Connection for Inactivity {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

sandloop::plugin! { handlers: [Inactivity::new] }
