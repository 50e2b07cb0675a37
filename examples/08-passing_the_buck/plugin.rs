//! "Passing the Buck": the listener's options reach its connections.

use sandloop::{Connection, Options, Socket};

struct Pass {
    socket: Socket,
    a: String,
}

impl Pass {
    fn new(socket: Socket, options: &Options) -> Self {
        Pass { socket, a: options.get("a").unwrap_or_default().to_owned() }
    }
}

impl Connection for Pass {
    fn receive_data(&mut self, data: &[u8]) {
        let data = String::from_utf8_lossy(data);
        self.socket.send_data(format!("{} {}", self.a, data.trim_end()));
    }
}

sandloop::plugin! { handlers: [Pass::new] }
