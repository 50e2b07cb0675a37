//! Grows its memory without end when it receives anything.

use sandloop::{Connection, Socket};

struct Hostile(#[expect(dead_code, reason = "held, not used")] Socket);

impl Connection for Hostile {
    fn receive_data(&mut self, _data: &[u8]) {
        let mut kept = Vec::new();
        loop {
            kept.push(vec![1_u8; 65536]);
            std::hint::black_box(&kept);
        }
    }
}

sandloop::plugin! { handlers: [Hostile] }
