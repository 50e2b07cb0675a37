//! Loops for ever in the callback that its listener's option `callback` names; `shared/hostile.rs` has their names.

use sandloop::{Options, Socket};

#[path = "shared/hostile.rs"]
mod hostile;
use hostile::{Hostile, Victim};

fn hostile_loop(socket: Socket, options: &Options) -> Hostile {
    Hostile::new(socket, options, spin)
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

fn victim(argument: &[u8]) -> Victim {
    Victim::new(argument, spin)
}

sandloop::plugin! { handlers: [hostile_loop], processes: [victim] }
