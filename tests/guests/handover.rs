//! Counts, and hands its count over to the next version, or does with it what its options specify.
//!
//! `on_save` is `count`, `nothing`, `slow` (a third of a second), `trap`, or a number of bytes; `on_restore` is `count`, `slow` (three
//! seconds), `refuse`, `trap`, or `slow-trap`. A line `up` counts and `get` does not; both are answered with the version and the count. `trap` ends it.

use std::cell::Cell;
use std::time::Duration;

use sandloop::{Connection, Program, Socket, options, timers::try_add_timer};

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

fn option(name: &str) -> String {
    options::get(name).unwrap_or_else(|| "count".to_owned())
}

struct Counts {
    socket: Socket,
    line: Vec<u8>,
}

impl Counts {
    fn new(socket: Socket) -> Self {
        Counts { socket, line: Vec::new() }
    }

    fn command(&mut self) {
        match &*std::mem::take(&mut self.line) {
            b"up" => COUNT.set(COUNT.get() + 1),
            b"trap" => panic!("on purpose"),
            _ => {}
        }
        self.socket.send_data(format!("{} {}\n", option("version"), COUNT.get()));
    }
}

impl Connection for Counts {
    fn receive_data(&mut self, data: &[u8]) {
        for byte in data {
            match byte {
                b'\n' => self.command(),
                byte => self.line.push(*byte),
            }
        }
    }
}

struct Counter;

impl Program for Counter {
    fn start() -> sandloop::Result {
        println!("{} starts with {}", option("version"), COUNT.get());
        Ok(())
    }

    fn stopping() {
        println!("{} is stopping", option("version"));
    }

    fn stopped() {
        println!("{} has stopped", option("version"));
    }

    fn save() -> Option<Vec<u8>> {
        println!("{} saves", option("version"));
        match &*option("on_save") {
            "nothing" => return None,
            "slow" => std::thread::sleep(Duration::from_millis(300)),
            "trap" => panic!("on purpose"),
            "count" => {}
            bytes => return Some(vec![0; bytes.parse().expect("a number")]),
        }
        Some(COUNT.get().to_le_bytes().to_vec())
    }

    fn restore(state: &[u8]) -> sandloop::Result {
        println!("{} restores", option("version"));
        match &*option("on_restore") {
            "refuse" => return Err("of another age".into()),
            "trap" => panic!("on purpose"),
            slow if slow.starts_with("slow") => std::thread::sleep(Duration::from_secs(3)),
            _ => {}
        }
        assert_ne!(option("on_restore"), "slow-trap", "on purpose");
        // As in `prepare`, nothing can be begun yet.
        if try_add_timer(Duration::ZERO, || ()).is_ok() {
            println!("a timer of restore");
        }
        COUNT.set(u64::from_le_bytes(state.get(..8).ok_or("too short")?.try_into()?));
        Ok(())
    }
}

sandloop::plugin! { handlers: [Counts::new], program: Counter }
