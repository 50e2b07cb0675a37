//! A program that misbehaves in `start` by its option `attack` (`loop`, `trap`, `memory`), and an echo for connections before
//! that.

use sandloop::{Connection, Program, Socket, options};

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        match options::get("attack").as_deref() {
            Some("loop") => loop {
                std::hint::black_box(0);
            },
            Some("trap") => panic!("on purpose"),
            Some("memory") => {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1_u8; 65536]);
                    std::hint::black_box(&kept);
                }
            }
            _ => Ok(()),
        }
    }
}

struct Echo(Socket);

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }
}

sandloop::plugin! { program: Start, handlers: [Echo] }
