//! Requests a tick, a timer and a connection before the reactor runs and when it does, and prints the answers. The tick stops
//! the reactor.

use std::time::Duration;

use sandloop::{
    Address, Connection, ErrorCode, Program, Socket, connect_to, is_running,
    reactor::try_next_tick, stop, timers::try_add_timer,
};

struct Quiet(#[expect(dead_code, reason = "keeps the connection's socket")] Socket);

impl Connection for Quiet {}

struct Asks;

impl Program for Asks {
    fn prepare() -> sandloop::Result {
        ask();
        Ok(())
    }

    fn start() -> sandloop::Result {
        ask();
        Ok(())
    }
}

fn ask() {
    println!("running {}", is_running());
    let tick = try_next_tick(|| {
        println!("tick");
        stop();
    });
    print("tick", tick);
    print("timer", try_add_timer(Duration::from_secs(3600), || {}).map(|_| ()));
    print("connect", connect_to(&Address::tcp("127.0.0.1", 9), Quiet));
}

fn print(what: &str, answer: Result<(), ErrorCode>) {
    println!("{what} {}", answer.map_or_else(|error| error.name(), |()| "taken"));
}

sandloop::plugin! { program: Asks }
