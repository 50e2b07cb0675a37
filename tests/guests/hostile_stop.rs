//! Hangs in every callback about the stop of the host: in both of its program's hooks, and in the end of each connection. The
//! option `hang` is `compute` or `sleep`.

use std::{hint::black_box, thread::sleep, time::Duration};

use sandloop::{CloseReason, Connection, Program, Socket};

fn hang() {
    if sandloop::options::get("hang").as_deref() == Some("sleep") {
        sleep(Duration::from_secs(3600));
    }
    loop {
        black_box(());
    }
}

struct Stubborn(Socket);

impl Connection for Stubborn {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }

    fn unbind(&mut self, _reason: CloseReason) {
        hang();
    }
}

struct Around;

impl Program for Around {
    fn start() -> sandloop::Result {
        Ok(())
    }

    fn stopping() {
        hang();
    }

    fn stopped() {
        hang();
    }
}

impl Stubborn {
    fn new(socket: Socket) -> Self {
        Stubborn(socket)
    }
}

sandloop::plugin! { handlers: [Stubborn::new], program: Around }
