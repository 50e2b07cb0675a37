//! What `hostile_loop`, `hostile_sleep` and `hostile_trap` share: a connection and a process that misbehave in one of their
//! callbacks.
//!
//! Which one the listener's option `callback` says: `constructor`, `post_init`, `receive_data` (the default), `drained`,
//! `unbind`, `connection_completed` (of a connection to the option `target`), `timer`, `tick`, `message`, `popped`,
//! `completed`, `exited`; and of a process `spawned` and `notified`.

use std::time::Duration;

use sandloop::{
    Channel, CloseReason, Connection, Options, Queue, Socket, add_timer, connect_to, defer,
    next_tick,
    processes::{self, Process},
};

/// Misbehaves in the callback that its listener's option `callback` names, `receive_data` without one.
/// Bytes from the peer bring that callback about where nothing else does. For `drained` they fill the outbox, and
/// `outbox-full` is printed when it is.
pub struct Hostile {
    socket: Socket,
    callback: String,
    target: Option<String>,
    misbehave: fn(),
}

/// Misbehaves when it is connected.
struct Outgoing {
    socket: Socket,
    misbehave: fn(),
}

impl Connection for Outgoing {
    fn post_init(&mut self) {
        // Zero is the only wrong one.
        let _ = self.socket.set_pending_connect_timeout(Duration::from_secs(1));
    }

    fn connection_completed(&mut self) {
        (self.misbehave)();
    }
}

/// A process that misbehaves.
pub struct Victim(fn());

impl Victim {
    pub fn new(argument: &[u8], misbehave: fn()) -> Self {
        if argument == b"spawned" {
            misbehave();
        }
        Victim(misbehave)
    }
}

impl Process for Victim {
    fn notified(&mut self, _: &[u8]) {
        (self.0)();
    }
}

fn nothing() -> sandloop::Result {
    Ok(())
}

impl Hostile {
    pub fn new(socket: Socket, options: &Options, misbehave: fn()) -> Self {
        let callback = options.get("callback").unwrap_or("receive_data").to_owned();
        let target = options.get("target").map(str::to_owned);
        let hostile = Hostile { socket, callback, target, misbehave };
        hostile.on("constructor");
        hostile
    }

    /// Has the callback called, where something has to be asked for first.
    fn bring_about(&self, target: Option<&str>) {
        let misbehave = self.misbehave;
        match self.callback.as_str() {
            "timer" => drop(add_timer(Duration::ZERO, misbehave)),
            "tick" => next_tick(misbehave),
            "message" => {
                Channel::new("hostile").subscribe(move |_| misbehave());
                Channel::new("hostile").push("x");
            }
            "popped" => {
                Queue::new("hostile").pop(move |_| misbehave());
                Queue::new("hostile").push("x");
            }
            "completed" => defer(nothing, move |()| misbehave(), |_| {}),
            "exited" => processes::spawn("victim", "", move |_| misbehave()).kill(),
            "spawned" => {
                let _ = processes::spawn("victim", "spawned", |_| {});
            }
            "notified" => processes::spawn("victim", "", |_| {}).notify("x"),
            "connection_completed" => {
                let target = target.expect("the option `target`").parse().expect("an address");
                // Of another host's, or refused at a limit: then nothing is brought about.
                let _ = connect_to(&target, move |socket| Outgoing { socket, misbehave });
            }
            _ => {}
        }
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
            _ => self.bring_about(self.target.as_deref()),
        }
    }

    fn drained(&mut self) {
        self.on("drained");
    }

    fn unbind(&mut self, _reason: CloseReason) {
        self.on("unbind");
    }
}
