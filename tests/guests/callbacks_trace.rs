//! Prints each callback of an accepted connection: `constructor` with the listener's options, `post_init`, `receive_data` with
//! the data, `drained`, `unbind` with the reason. Echoes.

use sandloop::{CloseReason, Connection, Options, Socket};

struct Trace(Socket);

impl Trace {
    fn new(socket: Socket, options: &Options) -> Self {
        let options: String =
            options.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        println!("constructor{options}");
        Trace(socket)
    }
}

impl Connection for Trace {
    fn post_init(&mut self) {
        println!("post_init");
    }

    fn connection_completed(&mut self) {
        println!("connection_completed");
    }

    fn receive_data(&mut self, data: &[u8]) {
        println!("receive_data {:?}", String::from_utf8_lossy(data));
        self.0.send_data(data);
    }

    fn drained(&mut self) {
        println!("drained");
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        println!("drop");
    }
}

sandloop::plugin! { handlers: [Trace::new] }
