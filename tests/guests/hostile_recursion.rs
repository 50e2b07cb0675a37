//! Calls itself without end when it receives anything.

use std::hint::black_box;

use sandloop::{Connection, Socket};

struct Hostile(Socket);

impl Connection for Hostile {
    fn receive_data(&mut self, _data: &[u8]) {
        self.0.send_data(recurse(1).to_string());
    }
}

#[expect(unconditional_recursion, reason = "this is what it is for")]
fn recurse(depth: u64) -> u64 {
    recurse(black_box(depth + 1)) + black_box(depth)
}

sandloop::plugin! { handlers: [Hostile] }
