//! A program that prints the order of its ticks, then stops: ticks run in the order of their requests, and a request of a tick
//! (a tick, a timer) waits for the next turn, where timers come first.

use std::time::Duration;

use sandloop::{Program, add_timer, next_tick, stop};

struct Ticks;

impl Program for Ticks {
    fn start() -> sandloop::Result {
        next_tick(|| {
            println!("first");
            next_tick(|| {
                println!("tick of a tick");
                next_tick(last);
            });
            add_timer(Duration::ZERO, || println!("timer of a tick"));
        });
        next_tick(|| println!("second"));
        println!("start");
        Ok(())
    }
}

/// The turn that is told to stop is completed: its other ticks run.
fn last() {
    next_tick(|| {
        println!("stop");
        stop();
    });
    next_tick(|| println!("after stop"));
}

sandloop::plugin! { program: Ticks }
