//! Answers with the number of connections that this instance has had, this one included when it was made.

use std::cell::Cell;

use sandloop::{Connection, Socket};

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

struct Count {
    socket: Socket,
    number: u32,
}

impl Count {
    fn new(socket: Socket) -> Self {
        COUNT.set(COUNT.get() + 1);
        Count { socket, number: COUNT.get() }
    }
}

impl Connection for Count {
    fn receive_data(&mut self, _data: &[u8]) {
        self.socket.send_data(format!("{}\n", self.number));
    }
}

sandloop::plugin! { handlers: [Count::new] }
