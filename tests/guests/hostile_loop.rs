//! Loops for ever in the callback that its listener's option `callback` names: `constructor`, `post_init`,
//! `receive_data` (the default), `drained`, `unbind`, `timer`, `tick`, `connection_completed` (of a connection to its option
//! `target`), `message`, `popped`, `completed`.

use sandloop::{Options, Socket};

#[path = "shared/hostile.rs"]
mod hostile;
use hostile::Hostile;

fn hostile_loop(socket: Socket, options: &Options) -> Hostile {
    Hostile::new(socket, options, spin)
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

sandloop::plugin! { handlers: [hostile_loop] }
