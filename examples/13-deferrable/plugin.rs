//! `EM::Deferrable`: a type of the author's own that will succeed.

use std::time::Duration;

use sandloop::{DefaultDeferrable, Deferrable, Program, Status, add_timer, stop};

#[derive(Clone, Default)]
struct MyDeferrable(DefaultDeferrable<String>);

impl Deferrable for MyDeferrable {
    type Value = String;
    type Error = ();

    fn deferrable(&self) -> &DefaultDeferrable<String> {
        &self.0
    }
}

impl MyDeferrable {
    fn go(&self, str: &str) {
        println!("Go {str} go");
    }
}

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let df = MyDeferrable::default();
        let same = df.clone();
        df.callback(move |x| {
            same.go(x);
            stop();
        });
        add_timer(Duration::from_secs(1), move || {
            df.set_deferred_status(Status::Succeeded("SpeedRacer".to_owned()));
        });
        Ok(())
    }
}

sandloop::plugin! { program: Start }
