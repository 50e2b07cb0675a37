//! Computes: a line with a number N costs N rounds, each of about a millisecond and always the same
//! work, and is answered with `done`.

use std::hint::black_box;

use sandloop::{Socket, frames::LineText2};

/// Steps of a round.
const ROUND: u32 = 700_000;

struct Compute {
    socket: Socket,
}

impl Compute {
    fn new(socket: Socket) -> Self {
        Compute { socket }
    }
}

impl LineText2 for Compute {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let rounds: u32 = line.parse().expect("a number of rounds");
        black_box((0..rounds).fold(1, |number, _| round(number)));
        self.socket.send_data("done\n");
    }
}

/// Pseudo-random numbers, each made of the one before.
fn round(mut number: u64) -> u64 {
    for _ in 0..ROUND {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    number
}

sandloop::plugin! { handlers: [Compute::new] }
