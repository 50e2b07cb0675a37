//! A program whose `start` fails.

use sandloop::Program;

struct Fails;

impl Program for Fails {
    fn start() -> sandloop::Result {
        Err("it was told to fail at start".into())
    }
}

sandloop::plugin! { program: Fails }
