//! Panics in the callback that its listener's option `callback` names; `shared/hostile.rs` has their names.

use sandloop::{Options, Socket};

#[path = "shared/hostile.rs"]
mod hostile;
use hostile::{Hostile, Victim};

fn hostile_trap(socket: Socket, options: &Options) -> Hostile {
    Hostile::new(socket, options, panic)
}

fn panic() {
    panic!("on purpose");
}

fn victim(argument: &[u8]) -> Victim {
    Victim::new(argument, panic)
}

sandloop::plugin! { handlers: [hostile_trap], processes: [victim] }
