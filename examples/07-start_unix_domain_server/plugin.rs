//! `EM.start_unix_domain_server`: nothing here says where the peers come from.

use sandloop::{Connection, Socket};

struct Echo(Socket);

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }
}

sandloop::plugin! { handlers: [Echo] }
