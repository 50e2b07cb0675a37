//! A chat: what one client says reaches all others, each in a sandbox of its own.

use sandloop::{
    Channel, Socket, Subscription,
    frames::{LineLimits, LineText2},
};

/// A longer line is not chat, and ends the connection.
const LINE_MAX: usize = 4096;

struct Chat(Subscription);

impl Chat {
    fn new(socket: Socket) -> Self {
        Chat(Channel::new("room").subscribe(move |line| socket.send_data(line)))
    }
}

impl LineText2 for Chat {
    fn receive_line(&mut self, line: &[u8]) {
        self.0.push_to_others([line, &b"\n"[..]].concat());
    }

    fn limits(&self) -> LineLimits {
        LineLimits { line: LINE_MAX, ..LineLimits::default() }
    }
}

sandloop::plugin! { handlers: [Chat::new] }
