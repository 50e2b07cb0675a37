//! Panics in the callback that its listener's option `callback` names, one of those that `hostile_loop` has;
//! `receive_data` without one.

use sandloop::{Options, Socket};

#[path = "shared/hostile.rs"]
mod hostile;
use hostile::Hostile;

fn hostile_trap(socket: Socket, options: &Options) -> Hostile {
    Hostile::new(socket, options, || panic!("on purpose"))
}

sandloop::plugin! { handlers: [hostile_trap] }
