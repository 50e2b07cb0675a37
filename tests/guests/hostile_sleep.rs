//! Sleeps for ever in the callback that its listener's option `callback` names, as `hostile_loop` loops: it uses no CPU time,
//! so no budget ends it.

use std::time::Duration;

use sandloop::{Options, Socket};

#[path = "shared/hostile.rs"]
mod hostile;
use hostile::{Hostile, Victim};

fn hostile_sleep(socket: Socket, options: &Options) -> Hostile {
    Hostile::new(socket, options, sleep)
}

fn sleep() {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn victim(argument: &[u8]) -> Victim {
    Victim::new(argument, sleep)
}

sandloop::plugin! { handlers: [hostile_sleep], processes: [victim] }
