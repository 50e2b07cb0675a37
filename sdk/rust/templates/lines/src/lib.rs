//! Answers each line with itself; "quit", and five seconds without a line, with "bye".

use std::time::Duration;

use sandloop::{IdleTimer, Socket, frames::LineText2};

struct Lines {
    socket: Socket,
    idle: IdleTimer,
}

impl Lines {
    fn new(socket: Socket) -> Lines {
        let peer = socket.clone();
        let idle = IdleTimer::new(Duration::from_secs(5), move || bye(&peer));
        Lines { socket, idle }
    }
}

impl LineText2 for Lines {
    fn receive_line(&mut self, line: &[u8]) {
        if line == b"quit" {
            return bye(&self.socket);
        }
        self.idle.restart();
        self.socket.send_data([line, b"\n"].concat());
    }
}

fn bye(socket: &Socket) {
    socket.send_data("bye\n");
    socket.close_connection_after_writing();
}

sandloop::plugin! { handlers: [Lines::new] }

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sandloop::{CloseReason, testing};

    use super::Lines;

    #[test]
    fn who_is_silent_is_dismissed() {
        let peer = testing::accept(Lines::new);
        peer.send("one\n");
        assert_eq!(peer.received(), "one\n");
        testing::advance(Duration::from_secs(5));
        assert_eq!(peer.received(), "bye\n");
        assert_eq!(peer.closed(), Some(CloseReason::Closed));
    }
}
