//! A program that prints the order in which its timers fire, then stops. The last line is `end`.

use std::time::{Duration, Instant};

use sandloop::{PeriodicTimer, Program, add_timer, cancel_timer, next_tick, stop};

struct Timers;

impl Program for Timers {
    fn start() -> sandloop::Result {
        after(20, || println!("b20"));
        after(10, || println!("a10"));
        for name in ["tie 1", "tie 2", "tie 3"] {
            after(30, move || println!("{name}"));
        }
        after(100, all_in_one_pass);
        after(200, cancelled_in_the_pass);
        after(300, periodic);
        Ok(())
    }
}

/// Both are late when this is over and fire in one turn; what the first makes waits for the next turn.
fn all_in_one_pass() {
    after(10, || {
        println!("late 10");
        after(0, || println!("nested 0"));
    });
    after(20, || println!("late 20"));
    sleep_late();
}

fn cancelled_in_the_pass() {
    let made = after(20, || println!("never"));
    after(10, move || {
        println!("cancels");
        cancel_timer(made);
        cancel_timer(made);
    });
    sleep_late();
}

fn periodic() {
    let mut count = 0;
    PeriodicTimer::new(milliseconds(10), move |timer| {
        count += 1;
        println!("periodic {count}");
        if count == 3 {
            timer.cancel();
            // Gets the id that has just become free, perhaps.
            after(30, end);
        }
    });
}

fn end() {
    println!("end");
    next_tick(stop);
}

fn after(time: u64, action: impl FnOnce() + 'static) -> sandloop::Timer {
    add_timer(milliseconds(time), action)
}

/// Keeps the reactor's instance busy until what it has just made is late.
fn sleep_late() {
    let start = Instant::now();
    while start.elapsed() < milliseconds(40) {}
}

fn milliseconds(time: u64) -> Duration {
    Duration::from_millis(time)
}

sandloop::plugin! { program: Timers }
