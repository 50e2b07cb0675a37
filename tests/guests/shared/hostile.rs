//! What `hostile_loop` and `hostile_trap` share: a connection that misbehaves in one of its callbacks.

use std::time::Duration;

use sandloop::{
    Address, Channel, CloseReason, Connection, Options, Queue, Socket, add_timer, connect_to,
    defer, next_tick,
};

/// Misbehaves in the callback that its listener's option `callback` names, `receive_data` without one.
/// Bytes from the peer bring that callback about where nothing else does. For `drained` they fill the outbox, and
/// `outbox-full` is printed when it is.
pub struct Hostile {
    socket: Socket,
    callback: String,
    /// Where to connect for `connection_completed`.
    target: Option<Address>,
    misbehave: fn(),
}

impl Hostile {
    pub fn new(socket: Socket, options: &Options, misbehave: fn()) -> Self {
        let callback = options.get("callback").unwrap_or("receive_data").to_owned();
        let target = options.parse("target").expect("an address");
        let hostile = Hostile { socket, callback, target, misbehave };
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
            "connection_completed" => {
                let target = self.target.as_ref().expect("the option target");
                connect_to(target, move |_| Outgoing(misbehave)).expect("a permitted target");
            }
            "message" => {
                let room = Channel::new("hostile");
                room.subscribe(move |_| misbehave());
                room.push("x");
            }
            "popped" => {
                let queue = Queue::new("hostile");
                queue.pop(move |_| misbehave());
                queue.push("x");
            }
            "completed" => defer(|| Ok(()), move |()| misbehave(), |_| {}),
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

/// A connection that misbehaves as soon as it is made.
struct Outgoing(fn());

impl Connection for Outgoing {
    fn connection_completed(&mut self) {
        (self.0)();
    }
}
