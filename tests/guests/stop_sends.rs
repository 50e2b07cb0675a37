//! Answers the first bytes with the number of bytes in its listener's option `bytes`, 4 without one, and stops the reactor in
//! the same callback. Prints `unbind` with the reason.

use sandloop::{CloseReason, Connection, Options, Socket, stop};

struct Stop {
    socket: Socket,
    bytes: usize,
}

impl Stop {
    fn new(socket: Socket, options: &Options) -> Self {
        let bytes = options.parse("bytes").expect("a number of bytes");
        Stop { socket, bytes: bytes.unwrap_or(4) }
    }
}

impl Connection for Stop {
    fn receive_data(&mut self, _data: &[u8]) {
        self.socket.send_data(vec![b'x'; self.bytes]);
        stop();
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

sandloop::plugin! { handlers: [Stop::new] }
