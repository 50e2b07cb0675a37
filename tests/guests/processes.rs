//! Processes on request, one command a line. A process sends its output to the channel `out`.

use sandloop::{
    Channel, Socket,
    frames::LineText2,
    processes::{self, Process, ProcessId},
};

/// Counts the bytes it is sent and tells the sum; some messages are orders.
struct Counter(usize);

impl Counter {
    fn new(argument: &[u8]) -> Self {
        assert!(argument != b"stillborn", "on purpose");
        Channel::new("out").push(format!("born {}", String::from_utf8_lossy(argument)));
        Counter(0)
    }
}

impl Process for Counter {
    fn notified(&mut self, message: &[u8]) {
        match message {
            b"exit" => processes::exit(),
            b"panic" => panic!("on purpose"),
            b"loop" => loop {
                std::hint::black_box(&self.0);
            },
            _ => {
                self.0 += message.len();
                Channel::new("out").push(format!("sum {}", self.0));
            }
        }
    }
}

struct Parent {
    socket: Socket,
    last: Option<ProcessId>,
}

impl Parent {
    fn new(socket: Socket) -> Self {
        Parent { socket, last: None }
    }

    fn command(&mut self, line: &str) {
        let (name, text) = line.split_once(' ').unwrap_or((line, ""));
        let socket = self.socket.clone();
        match name {
            "listen" => {
                Channel::new("out").subscribe(move |message| {
                    socket.send_data(format!("{}\n", String::from_utf8_lossy(message)));
                });
                self.socket.send_data("ok\n");
            }
            "spawn" | "spawn-other" => {
                let exited = move |reason| socket.send_data(format!("exited {reason:?}\n"));
                let spawned = match name {
                    "spawn" => processes::try_spawn("counter", text, exited),
                    _ => processes::spawn_of("other", "counter", text, exited),
                };
                match spawned {
                    Ok(process) => {
                        self.last = Some(process);
                        self.socket.send_data(format!("id {process}\n"));
                    }
                    Err(error) => self.socket.send_data(format!("{error}\n")),
                }
            }
            "spawn-unknown" => {
                processes::spawn("nobody", "", move |reason| {
                    socket.send_data(format!("exited {reason:?}\n"));
                });
            }
            "spawn-and-notify" => {
                let process = processes::spawn("counter", text, |_| {});
                process.notify("12345");
                process.notify("678");
            }
            "spawn-and-kill" => {
                let process = processes::spawn("counter", text, move |reason| {
                    socket.send_data(format!("exited {reason:?}\n"));
                });
                process.kill();
            }
            "notify" => self.tell_result(self.last.map(|process| process.try_notify(text))),
            "notify-id" => {
                let (id, text) = text.split_once(' ').unwrap_or((text, ""));
                let process = ProcessId::from_u32(id.parse().unwrap_or_default());
                self.tell_result(Some(process.try_notify(text)));
            }
            "kill-id" => ProcessId::from_u32(text.parse().unwrap_or_default()).kill(),
            "kill" => {
                if let Some(process) = self.last {
                    process.kill();
                }
            }
            // As much as fits.
            "flood" => {
                let message = vec![b'x'; 1000];
                let mut notified = 0;
                while self.last.is_some_and(|process| process.try_notify(&message).is_ok()) {
                    notified += 1;
                }
                self.socket.send_data(format!("notified {notified}\n"));
            }
            _ => self.socket.send_data("what?\n"),
        }
    }

    fn tell_result(&self, result: Option<Result<(), sandloop::ErrorCode>>) {
        match result {
            Some(Ok(())) => {}
            Some(Err(error)) => self.socket.send_data(format!("{error}\n")),
            None => self.socket.send_data("no process\n"),
        }
    }
}

impl LineText2 for Parent {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Parent::new], processes: [Counter::new] }
