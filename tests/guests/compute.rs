//! Computes: a line with a number N, which may be a fraction, costs N rounds, each of about a millisecond and always with the
//! same work, and is answered with `done`.

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
        let rounds: f64 = line.parse().expect("a number of rounds");
        let steps = rounds * f64::from(ROUND);
        // A number of steps is whole, and no line asks for more than there are numbers.
        black_box(compute(steps as u64));
        self.socket.send_data("done\n");
    }
}

/// Pseudo-random numbers, each made of the one before.
fn compute(steps: u64) -> u64 {
    let mut number = 1_u64;
    for _ in 0..steps {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    number
}

sandloop::plugin! { handlers: [Compute::new] }
