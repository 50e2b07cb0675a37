//! Connects to its option `target` whenever bytes arrive. On `trap` it then traps, so that the connection is
//! never begun; otherwise it answers `ok`, or the name of the refusal, and a newline.

use sandloop::{Address, Connection, Socket, connect_to, options};

struct Trap(Socket);

impl Connection for Trap {
    fn receive_data(&mut self, data: &[u8]) {
        let target = options::get("target").expect("the option target");
        let target: Address = target.parse().expect("an address");
        let answer = match connect_to(&target, Quiet) {
            Ok(()) => "ok",
            Err(refusal) => refusal.name(),
        };
        assert!(!data.starts_with(b"trap"), "as asked");
        self.0.send_data(format!("{answer}\n"));
    }
}

struct Quiet(#[expect(dead_code, reason = "keeps the connection's socket")] Socket);

impl Connection for Quiet {}

sandloop::plugin! { handlers: [Trap] }
