//! A program whose `prepare` fails.

use sandloop::Program;

struct Fails;

impl Program for Fails {
    fn prepare() -> sandloop::Result {
        Err("it was told to fail while it was prepared".into())
    }

    fn start() -> sandloop::Result {
        println!("start");
        Ok(())
    }
}

sandloop::plugin! { program: Fails }
