//! What `hostile_loop` and `hostile_trap` share: a connection that misbehaves in one of its callbacks.

use std::time::Duration;

use sandloop::{CloseReason, Connection, Options, Socket, add_timer, next_tick};

/// Misbehaves in the callback that its listener's option `callback` names, `receive_data` without one.
/// Bytes from the peer bring that callback about where nothing else does. For `drained` they fill the outbox, and
/// `outbox-full` is printed when it is.
pub struct Hostile {
    socket: Socket,
    callback: String,
    misbehave: fn(),
}

impl Hostile {
    pub fn new(socket: Socket, options: &Options, misbehave: fn()) -> Self {
        let callback = options.get("callback").unwrap_or("receive_data").to_owned();
        let hostile = Hostile { socket, callback, misbehave };
        hostile.on("constructor");
        hostile
    }

    fn on(&self, callback: &str) {
        if self.callback == callback {
            (self.misbehave)();
        }
    }
}

impl Connection for Hostile {
    fn post_init(&mut self) {
        self.on("post_init");
    }

    fn receive_data(&mut self, _data: &[u8]) {
        self.on("receive_data");
        let misbehave = self.misbehave;
        match self.callback.as_str() {
            "drained" => {
                // Whoever empties a full outbox brings `drained` about. A peer that reads as fast as this sends never lets
                // it fill: one that does not read does, or a tenant that may not write more for now.
                let refused = loop {
                    if let Err(error) = self.socket.try_send_data([0; 65536]) {
                        break error;
                    }
                };
                println!("{}", refused.name());
            }
            "unbind" => self.socket.close_connection(),
            "timer" => drop(add_timer(Duration::ZERO, misbehave)),
            "tick" => next_tick(misbehave),
            _ => {}
        }
    }

    fn drained(&mut self) {
        self.on("drained");
    }

    fn unbind(&mut self, _reason: CloseReason) {
        self.on("unbind");
    }
}
