//! Keeps the write side open when its peer ends, and 200 ms later answers with all of its input, then closes. Prints `unbind`
//! with the reason.

use std::{cell::RefCell, mem, rc::Rc, time::Duration};

use sandloop::{CloseReason, Connection, PeriodicTimer, Socket, add_timer};

struct Late {
    socket: Socket,
    told: Rc<RefCell<Vec<u8>>>,
}

impl Late {
    fn new(socket: Socket) -> Self {
        Late { socket, told: Rc::default() }
    }
}

impl Connection for Late {
    fn post_init(&mut self) {
        self.socket.keep_half_open(true);
        let (socket, told) = (self.socket.clone(), self.told.clone());
        // No callback says that the peer has ended its side.
        PeriodicTimer::new(Duration::from_millis(10), move |timer| {
            if socket.peer_finished() {
                timer.cancel();
                let (socket, told) = (socket.clone(), mem::take(&mut *told.borrow_mut()));
                add_timer(Duration::from_millis(200), move || {
                    socket.send_data(told);
                    socket.close_connection_after_writing();
                });
            }
        });
    }

    fn receive_data(&mut self, data: &[u8]) {
        self.told.borrow_mut().extend_from_slice(data);
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

sandloop::plugin! { handlers: [Late::new] }
