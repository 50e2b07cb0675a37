//! `EM::DefaultDeferrable`: a deferrable and nothing else.

use std::time::Duration;

use sandloop::{DefaultDeferrable, Deferrable, Program, Status, add_timer, stop};

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let df: DefaultDeferrable<&str> = DefaultDeferrable::new();
        df.callback(|x| println!("got {x}"));
        df.callback(|_| stop());
        add_timer(Duration::from_secs(1), move || {
            df.set_deferred_status(Status::Succeeded("monkeys"));
        });
        Ok(())
    }
}

sandloop::plugin! { program: Start }
