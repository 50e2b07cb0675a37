//! A program that connects to each address of its option `target`, which are separated by spaces, and prints every callback
//! with the number of the target, from 0: `0 unbind refused`. A refused connect is `0 connect denied`. Other options:
//!
//! `send` is sent in `post_init`; `close` names a callback in which it closes; `pending_timeout` and
//! `inactivity_timeout` are milliseconds; with `stop` the reactor is stopped when all have ended.

use std::{cell::Cell, time::Duration};

use sandloop::{CloseReason, Connection, Options, Program, Socket, connect_to, options, stop};

thread_local! {
    static ALIVE: Cell<usize> = const { Cell::new(0) };
}

struct Trace {
    socket: Socket,
    number: usize,
    options: Options,
}

impl Trace {
    fn on(&self, callback: &str, more: &str) {
        println!("{} {callback}{more}", self.number);
        if self.options.get("close") == Some(callback) {
            self.socket.close_connection();
        }
    }

    fn milliseconds(&self, key: &str) -> Option<Duration> {
        self.options.parse(key).expect("a number of milliseconds").map(Duration::from_millis)
    }
}

impl Connection for Trace {
    fn post_init(&mut self) {
        if let Some(timeout) = self.milliseconds("pending_timeout") {
            self.socket.set_pending_connect_timeout(timeout).expect("a timeout above 0");
        }
        if let Some(timeout) = self.milliseconds("inactivity_timeout") {
            self.socket.set_comm_inactivity_timeout(timeout);
        }
        if let Some(data) = self.options.get("send") {
            self.socket.send_data(data);
        }
        self.on("post_init", "");
    }

    fn connection_completed(&mut self) {
        self.on("connection_completed", "");
    }

    fn receive_data(&mut self, data: &[u8]) {
        self.on("receive_data", &format!(" {:?}", String::from_utf8_lossy(data)));
    }

    fn drained(&mut self) {
        self.on("drained", "");
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.on("unbind", &format!(" {reason}"));
        ended();
    }
}

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let targets = options::get("target").ok_or("option `target` is missing")?;
        ALIVE.set(targets.split(' ').count());
        for (number, target) in targets.split(' ').enumerate() {
            let make = move |socket| Trace { socket, number, options: options::all() };
            if let Err(error) = connect_to(&target.parse()?, make) {
                println!("{number} connect {}", error.name());
                ended();
            }
        }
        Ok(())
    }
}

fn ended() {
    ALIVE.set(ALIVE.get() - 1);
    if ALIVE.get() == 0 && options::get("stop").is_some() {
        stop();
    }
}

sandloop::plugin! { program: Start }
