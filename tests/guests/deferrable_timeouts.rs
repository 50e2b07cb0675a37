//! Deferrables with real time, one command a line.

use std::time::Duration;

use sandloop::{
    Completion, DefaultDeferrable, Deferrable, Socket, add_timer, deferred, frames::LineText2,
};

struct Deferrables {
    socket: Socket,
}

impl Deferrables {
    fn new(socket: Socket) -> Self {
        Deferrables { socket }
    }

    fn command(&self, line: &str) {
        let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
        let time = Duration::from_millis(argument.parse().unwrap_or_default());
        match name {
            // Nobody else holds it, and nobody settles it.
            "timeout" => {
                DefaultDeferrable::<(), &str>::new()
                    .errback(self.telling("errback"))
                    .timeout(time, "too late");
            }
            "in-time" => {
                let answer = DefaultDeferrable::<&str, &str>::new();
                answer.callback(self.telling("callback")).errback(self.telling("errback"));
                answer.timeout(time * 2, "too late");
                let later = answer.clone();
                add_timer(time, move || later.succeed("in time"));
                // Of the timeout nothing is left.
                let tell = self.telling("settled");
                add_timer(time * 3, move || tell(&answer.is_settled()));
            }
            "completion" => {
                let completion = Completion::<&str>::new();
                completion.completion(self.telling("completed")).errback(self.telling("errback"));
                completion.timeout(time, "too late");
            }
            "deferred" => {
                deferred(|| Ok("from a worker".to_owned()))
                    .callback(self.telling("first"))
                    .callback(self.telling("second"))
                    .errback(self.telling("errback"));
            }
            _ => self.socket.send_data("what?\n"),
        }
    }

    fn telling<T: std::fmt::Display>(&self, what: &'static str) -> impl FnOnce(&T) + use<T> {
        let socket = self.socket.clone();
        move |value| socket.send_data(format!("{what} {value}\n"))
    }
}

impl LineText2 for Deferrables {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Deferrables::new] }
