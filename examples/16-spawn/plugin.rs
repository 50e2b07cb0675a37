//! `EM.spawn`: a block that runs when it is notified.

use std::time::Duration;

use sandloop::{Program, add_periodic_timer, add_timer, spawn, stop};

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let s = spawn(|val: &str| println!("Received {val}"));
        add_timer(Duration::from_secs(1), move || s.notify("hello"));
        add_periodic_timer(Duration::from_secs(1), || println!("Periodic"));
        add_timer(Duration::from_secs(3), stop);
        Ok(())
    }
}

sandloop::plugin! { program: Start }
