//! A chat: what one client says reaches all others, each in a sandbox of its own.

use sandloop::{Channel, Connection, Socket, Subscription};

/// A longer line is not chat.
const LINE_MAX: usize = 4096;

struct Chat {
    socket: Socket,
    room: Subscription,
    unfinished: Vec<u8>,
}

impl Chat {
    fn new(socket: Socket) -> Self {
        let peer = socket.clone();
        let room = Channel::new("room").subscribe(move |line| peer.send_data(line));
        Chat { socket, room, unfinished: Vec::new() }
    }
}

impl Connection for Chat {
    fn receive_data(&mut self, data: &[u8]) {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            self.unfinished.extend_from_slice(piece);
            if LINE_MAX < self.unfinished.len() {
                return self.socket.close_connection();
            }
            if piece.ends_with(b"\n") {
                self.room.push_to_others(&self.unfinished);
                self.unfinished.clear();
            }
        }
    }
}

sandloop::plugin! { handlers: [Chat::new] }
