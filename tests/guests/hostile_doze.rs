//! Gets a line with a number of milliseconds and never returns: around each multiple of that time it computes, in between it
//! sleeps. A host that checks only at these times never sees it sleep.

use std::time::{Duration, Instant};

use sandloop::{Connection, Socket};

struct Doze(#[expect(dead_code, reason = "held, not used")] Socket);

impl Connection for Doze {
    fn receive_data(&mut self, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        let every: u128 = text.trim().parse().expect("a number of milliseconds");
        let begun = Instant::now();
        loop {
            let phase = begun.elapsed().as_millis() % every;
            if (every / 4..every / 2).contains(&phase) {
                std::thread::sleep(Duration::from_millis(5));
            } else {
                std::hint::black_box(phase);
            }
        }
    }
}

sandloop::plugin! { handlers: [Doze] }
