//! `EM.start_server` with a module: what a connection does, and nothing else.

use sandloop::{Connection, Socket};

struct Echo(Socket);

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }
}

sandloop::plugin! { handlers: [Echo] }
