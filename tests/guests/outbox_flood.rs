//! Sends whether the peer reads or not. A line `N` sends N bytes at once, `N SIZE` sends N bytes SIZE at a time and stops at
//! the first refusal. Prints `sent N`, with the refusal if there was one, then each `drained`, and `unbind` with the reason. A
//! line `N !` uses the `send_data` that closes the connection when the outbox is full.

use sandloop::{CloseReason, Socket, frames::LineText2};

struct Flood {
    socket: Socket,
}

impl Flood {
    fn new(socket: Socket) -> Self {
        Flood { socket }
    }

    fn flood(&self, total: usize, size: usize) {
        let mut sent = 0;
        while sent < total {
            let piece = vec![b'x'; size.min(total - sent)];
            if let Err(error) = self.socket.try_send_data(&piece) {
                println!("sent {sent} {}", error.name());
                return;
            }
            sent += piece.len();
        }
        println!("sent {sent}");
    }
}

impl LineText2 for Flood {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let (total, size) = line.split_once(' ').unwrap_or((&line, &line));
        match size {
            "!" => self.socket.send_data(vec![b'x'; number(total)]),
            size => self.flood(number(total), number(size)),
        }
    }

    fn drained(&mut self) {
        println!("drained");
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number of bytes")
}

sandloop::plugin! { handlers: [Flood::new] }
