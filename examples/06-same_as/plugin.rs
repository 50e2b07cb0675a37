//! "Same as ...": `EM.start_server` with a class.

use sandloop::{Connection, Options, Socket};

struct Echo {
    socket: Socket,
}

impl Echo {
    fn new(socket: Socket, _options: &Options) -> Self {
        Echo { socket }
    }
}

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.socket.send_data(data);
    }
}

sandloop::plugin! { handlers: [Echo::new] }
