//! Reports to the Unix socket of its option `oracle` that it begins, that it is alive (repeatedly), and that it is told to
//! stop: each is a line with its option `host`, the option `fencing` from its host, and the word.
//!
//! The oracle may send `trap`, and `spin`, at which it computes for as long as it may. Each version hands over the number of
//! versions so far.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use sandloop::timers::add_periodic_timer;
use sandloop::{CloseReason, Connection, Program, Socket, connect_unix, options};

const BEAT: Duration = Duration::from_millis(25);

thread_local! {
    static ORACLE: RefCell<Option<Socket>> = const { RefCell::new(None) };
    static VERSIONS: Cell<u8> = const { Cell::new(0) };
}

fn say(word: &str) {
    let option = |name| options::get(name).unwrap_or_else(|| "0".to_owned());
    let line = format!("{} {} {word}\n", option("host"), option("fencing"));
    ORACLE.with_borrow(|oracle| oracle.iter().for_each(|oracle| oracle.send_data(&line)));
}

struct Oracle(Socket);

impl Connection for Oracle {
    fn connection_completed(&mut self) {
        ORACLE.set(Some(self.0.clone()));
        say(&format!("begins.{}", VERSIONS.get()));
        add_periodic_timer(BEAT, || say("beats"));
    }

    fn receive_data(&mut self, data: &[u8]) {
        match data {
            b"trap\n" => panic!("on purpose"),
            b"spin\n" => loop {
                std::hint::spin_loop();
            },
            _ => {}
        }
    }

    fn unbind(&mut self, _: CloseReason) {
        ORACLE.set(None);
    }
}

struct Speaker;

impl Program for Speaker {
    fn start() -> sandloop::Result {
        let oracle = options::get("oracle").ok_or("no oracle is named")?;
        connect_unix(oracle, Oracle)?;
        Ok(())
    }

    fn stopping() {
        say("stops");
    }

    fn save() -> Option<Vec<u8>> {
        Some(vec![VERSIONS.get() + 1])
    }

    fn restore(state: &[u8]) -> sandloop::Result {
        VERSIONS.set(*state.first().ok_or("no state")?);
        Ok(())
    }
}

sandloop::plugin! { program: Speaker }
