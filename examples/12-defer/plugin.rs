//! `EM.defer`: an operation on a worker, in a sandbox of its own.

use std::{cell::Cell, time::Duration};

use sandloop::{Program, add_timer, defer, stop};

thread_local! {
    static HERE: Cell<&str> = const { Cell::new("the worker's sandbox") };
}

struct Defer;

impl Program for Defer {
    fn start() -> sandloop::Result {
        HERE.set("the loop's sandbox");
        add_timer(Duration::from_secs(2), || {
            println!("Main {}", HERE.get());
            stop();
        });
        defer(
            || {
                println!("Defer {}", HERE.get());
                Ok(())
            },
            |()| {},
            |failure| println!("ERROR: {failure}"),
        );
        Ok(())
    }
}

sandloop::plugin! { program: Defer }
