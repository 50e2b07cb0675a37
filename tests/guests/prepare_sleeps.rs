//! A program whose `prepare` sleeps for longer than any host waits.

use std::time::Duration;

use sandloop::Program;

struct Sleeps;

impl Program for Sleeps {
    fn prepare() -> sandloop::Result {
        println!("prepare");
        std::thread::sleep(Duration::from_secs(3600));
        Ok(())
    }

    fn start() -> sandloop::Result {
        Ok(())
    }
}

sandloop::plugin! { program: Sleeps }
