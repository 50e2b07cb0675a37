//! `EM.run`: a program around the loop.

use std::time::Duration;

use sandloop::{Program, add_timer, stop};

struct Run;

impl Program for Run {
    fn prepare() -> sandloop::Result {
        println!("Start");
        Ok(())
    }

    fn start() -> sandloop::Result {
        println!("Init");
        add_timer(Duration::from_secs(1), || {
            println!("Quitting");
            stop();
        });
        Ok(())
    }

    fn stopped() {
        println!("Done");
    }
}

sandloop::plugin! { program: Run }
