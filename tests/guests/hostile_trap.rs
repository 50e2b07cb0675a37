//! Panics in the callback that its listener's option `callback` names: `constructor`, `post_init`,
//! `receive_data` (the default), `drained`, `unbind`, `timer`, `tick`.

use sandloop::{Options, Socket};

#[path = "shared/hostile.rs"]
mod hostile;
use hostile::Hostile;

fn hostile_trap(socket: Socket, options: &Options) -> Hostile {
    Hostile::new(socket, options, || panic!("on purpose"))
}

sandloop::plugin! { handlers: [hostile_trap] }
