//! `EM.next_tick`: do it later.

use std::time::Duration;

use sandloop::{Program, add_periodic_timer, add_timer, next_tick, stop};

struct NextTick;

impl Program for NextTick {
    fn start() -> sandloop::Result {
        add_periodic_timer(Duration::from_secs(1), || println!("Hai"));
        add_timer(Duration::from_secs(5), || next_tick(stop));
        Ok(())
    }
}

sandloop::plugin! { program: NextTick }
