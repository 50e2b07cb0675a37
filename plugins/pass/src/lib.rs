//! The deck's "Passing the Buck": answers with its listener's option `a` and what it was told.

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
        let mut answer = format!("{} ", self.a).into_bytes();
        answer.extend_from_slice(chomp(data));
        self.socket.send_data(answer);
    }
}

/// Without the line's end, as Ruby's `chomp`.
fn chomp(data: &[u8]) -> &[u8] {
    let line = data.strip_suffix(b"\n").unwrap_or(data);
    line.strip_suffix(b"\r").unwrap_or(line)
}

sandloop::plugin! { handlers: [Pass::new] }
