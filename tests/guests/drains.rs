//! Executes commands that take some time, one a line; its connections end in a configured way when they are drained.
//!
//! The listener's option `lets_go` is this way: `when-idle`, `when-done` (with its work in progress), `until-closed`, `at-once`
//! (it closes when it is notified), `bye` (it sends that, and closes then) or `never` (and it continues to work without a
//! peer).

use std::time::Duration;

use sandloop::{
    Connection, Drain, Operation, Options, Socket, add_periodic_timer, add_timer, connect, defer,
    next_tick,
};

struct Drains {
    socket: Socket,
    lets_go: String,
    /// Bytes of an upload that are still to come, and the sum of those that have.
    upload: Option<(usize, u64)>,
    line: Vec<u8>,
    is_draining: bool,
}

impl Drains {
    fn new(socket: Socket, options: &Options) -> Self {
        let lets_go = options.get("lets_go").unwrap_or("when-idle").to_owned();
        Drains { socket, lets_go, upload: None, line: Vec::new(), is_draining: false }
    }

    fn take(&mut self, byte: u8) {
        if let Some((left, sum)) = &mut self.upload {
            *left -= 1;
            *sum += u64::from(byte);
            if *left == 0 {
                self.socket.send_data(format!("uploaded {sum}\n"));
                self.upload = None;
                if self.is_draining {
                    self.socket.close_connection_after_writing();
                }
            }
            return;
        }
        if byte != b'\n' {
            return self.line.push(byte);
        }
        let line = String::from_utf8(std::mem::take(&mut self.line)).expect("text");
        self.command(&line);
    }

    fn command(&mut self, line: &str) {
        let (name, number) = line.split_once(' ').unwrap_or((line, "0"));
        let number: u64 = number.parse().expect("a number");
        let socket = self.socket.clone();
        match name {
            "timer" => {
                let answer = move || socket.send_data("timer\n");
                add_timer(Duration::from_millis(number), answer);
            }
            // Each sets the next, with a tick between.
            "chain" => chain(socket, number),
            "periodic" => {
                add_periodic_timer(Duration::from_millis(number), || {});
                socket.send_data("periodic\n");
            }
            "defer" => {
                let sleep = Operation::with(number, |milliseconds: u64| {
                    std::thread::sleep(Duration::from_millis(milliseconds));
                    Ok(milliseconds)
                });
                let failed = |failure| panic!("{failure:?}");
                defer(sleep, move |_: u64| socket.send_data("deferred\n"), failed);
            }
            "upload" => {
                self.upload = Some((usize::try_from(number).expect("it fits"), 0));
                socket.send_data("go on\n");
            }
            // From another server, with a connection of its own, whose port the number is.
            "ask" => {
                let answer = move |other: Socket| Upstream { other, answer: socket };
                let port = u16::try_from(number).expect("a port");
                connect("127.0.0.1", port, answer).expect("it is granted");
            }
            "bytes" => socket.send_data("x".repeat(usize::try_from(number).expect("it fits"))),
            "quit" => socket.close_connection_after_writing(),
            _ => socket.send_data(format!("{line}\n")),
        }
    }
}

fn chain(socket: Socket, left: u64) {
    if left == 0 {
        return socket.send_data("chain\n");
    }
    add_timer(Duration::from_millis(20), move || next_tick(move || chain(socket, left - 1)));
}

/// Works for nobody, for as long as it is let.
fn work() {
    add_timer(Duration::ZERO, || next_tick(work));
}

impl Connection for Drains {
    fn receive_data(&mut self, data: &[u8]) {
        data.iter().for_each(|byte| self.take(*byte));
    }

    fn draining(&mut self, within: Duration) -> Drain {
        println!("draining {}", if within.is_zero() { "at once" } else { "within a time" });
        match &*self.lets_go {
            "when-idle" => return Drain::WhenIdle,
            "when-done" => {
                self.is_draining = true;
                if self.upload.is_none() {
                    return Drain::WhenIdle;
                }
            }
            "at-once" => self.socket.close_connection(),
            "bye" => {
                self.socket.send_data("bye\n");
                self.socket.close_connection_after_writing();
            }
            "never" => work(),
            _ => {}
        }
        Drain::UntilClosed
    }

    fn unbind(&mut self, reason: sandloop::CloseReason) {
        println!("unbind {reason}");
    }
}

struct Upstream {
    other: Socket,
    answer: Socket,
}

impl Connection for Upstream {
    fn connection_completed(&mut self) {
        self.other.send_data("asked\n");
    }

    fn receive_data(&mut self, data: &[u8]) {
        self.answer.send_data(data);
        self.other.close_connection();
    }
}

sandloop::plugin! { handlers: [Drains::new] }
