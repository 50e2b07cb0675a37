//! `EM.add_periodic_timer` and `EM.add_timer`.

use std::time::Duration;

use sandloop::{Program, add_periodic_timer, add_timer, stop};

struct Timers;

impl Program for Timers {
    fn start() -> sandloop::Result {
        add_periodic_timer(Duration::from_secs(1), || println!("Tick..."));
        add_timer(Duration::from_secs(5), || {
            println!("BOOM");
            stop();
        });
        Ok(())
    }
}

sandloop::plugin! { program: Timers }
