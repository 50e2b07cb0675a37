//! `EM.reactor_running?`: before, in and after the loop.

use sandloop::{Program, is_running, next_tick, stop};

struct Running;

impl Program for Running {
    fn prepare() -> sandloop::Result {
        println!("{}", is_running());
        Ok(())
    }

    fn start() -> sandloop::Result {
        println!("{}", is_running());
        next_tick(|| {
            println!("{}", is_running());
            stop();
        });
        Ok(())
    }

    fn stopped() {
        println!("{}", is_running());
    }
}

sandloop::plugin! { program: Running }
