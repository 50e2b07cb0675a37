//! Operations on request, one a line; each result is a line.

use std::time::Duration;

use sandloop::{Failure, Operation, Socket, defer, frames::LineText2, try_defer};

struct Deferred {
    socket: Socket,
}

impl Deferred {
    fn new(socket: Socket) -> Self {
        Deferred { socket }
    }

    fn command(&self, line: &str) {
        let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
        let number = || argument.parse::<u64>().unwrap_or_default();
        let done = self.telling("done");
        let failed = self.failing();
        match name {
            "fib" => {
                let fib = Operation::with(number(), |n: u64| Ok(fib(n).to_string()));
                defer(fib, done, failed);
            }
            "fail" => {
                let fail = |text: String| -> sandloop::Result<String> { Err(text.into()) };
                defer(Operation::with(argument.to_owned(), fail), done, failed);
            }
            "panic" => defer(|| -> sandloop::Result<String> { panic!("on purpose") }, done, failed),
            "loop" => defer(endless, done, failed),
            "memory" => defer(bomb, done, failed),
            "recursion" => defer(|| Ok(deep(1).to_string()), done, failed),
            "sleep" => {
                let sleep = Operation::with(number(), |milliseconds: u64| {
                    std::thread::sleep(Duration::from_millis(milliseconds));
                    Ok(format!("slept {milliseconds}"))
                });
                defer(sleep, done, failed);
            }
            "bytes" => {
                let bytes =
                    Operation::with(number(), |length: u64| Ok("x".repeat(length as usize)));
                let tell = self.telling("length");
                defer(bytes, move |text: String| tell(text.len().to_string()), failed);
            }
            "nested" => {
                let nested = || match try_defer(|| Ok(()), |()| {}, |_| {}) {
                    Ok(()) => Ok("deferred".to_owned()),
                    Err(error) => Ok(error.to_string()),
                };
                defer(nested, done, failed);
            }
            "calls" => defer(count_calls, done, failed),
            "many" => self.many(number()),
            _ => self.socket.send_data("what?\n"),
        }
    }

    /// Asks for so many at once and tells how many were refused.
    fn many(&self, count: u64) {
        let refused = (0..count)
            .filter(|_| {
                let sleep = || {
                    std::thread::sleep(Duration::from_millis(1));
                    Ok("one".to_owned())
                };
                try_defer(sleep, self.telling("done"), self.failing()).is_err()
            })
            .count();
        self.socket.send_data(format!("refused {refused}\n"));
    }

    fn telling(&self, what: &'static str) -> impl FnOnce(String) + use<> {
        let socket = self.socket.clone();
        move |text| socket.send_data(format!("{what} {text}\n"))
    }

    fn failing(&self) -> impl FnOnce(Failure) + use<> {
        let socket = self.socket.clone();
        move |failure| socket.send_data(format!("failure {failure:?}\n"))
    }
}

fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

fn endless() -> sandloop::Result<String> {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn bomb() -> sandloop::Result<String> {
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1_u8; 65_536]);
        std::hint::black_box(&kept);
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deep(number: u64) -> u64 {
    std::hint::black_box(deep(std::hint::black_box(number + 1)) + 1)
}

/// How often this sandbox has been asked.
fn count_calls() -> sandloop::Result<String> {
    thread_local! {
        static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }
    CALLS.set(CALLS.get() + 1);
    Ok(CALLS.get().to_string())
}

impl LineText2 for Deferred {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Deferred::new] }
