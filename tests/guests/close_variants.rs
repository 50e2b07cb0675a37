//! Executes the commands of its peer, a line each, and prints the reason of its end:
//!
//! `send N`, `send N close`, `send N close-after-writing`, `close`, `close-after-writing`, `half-close`,
//! `keep-half-open`, `pause MS` (reads again after that time), `resume`, `timeout MS` (inactivity).

use std::time::Duration;

use sandloop::{CloseReason, Socket, add_timer, frames::LineText2};

struct Close {
    socket: Socket,
}

impl Close {
    fn new(socket: Socket) -> Self {
        Close { socket }
    }

    fn obey(&self, line: &str) {
        let socket = self.socket.clone();
        match *line.split(' ').collect::<Vec<_>>() {
            ["send", bytes] => socket.send_data(vec![b'x'; number(bytes)]),
            ["send", bytes, then] => {
                socket.send_data(vec![b'x'; number(bytes)]);
                self.obey(then);
            }
            ["close"] => socket.close_connection(),
            ["close-after-writing"] => socket.close_connection_after_writing(),
            ["half-close"] => {
                if let Err(error) = socket.half_close() {
                    println!("half_close {}", error.name());
                }
            }
            ["keep-half-open"] => socket.keep_half_open(true),
            ["pause", time] => {
                socket.pause();
                add_timer(milliseconds(time), move || socket.resume());
            }
            ["resume"] => socket.resume(),
            ["timeout", time] => socket.set_comm_inactivity_timeout(milliseconds(time)),
            _ => panic!("{line:?} is no command"),
        }
    }
}

impl LineText2 for Close {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        println!("{line}");
        self.obey(&line);
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(number(text) as u64)
}

sandloop::plugin! { handlers: [Close::new] }
