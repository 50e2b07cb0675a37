//! A tick loop for each connection, from `start` to `stop`: then it answers whether it ran.

use std::{cell::Cell, rc::Rc};

use sandloop::{Socket, TickLoop, frames::LineText2, tick_loop};

struct Loops {
    socket: Socket,
    turns: Rc<Cell<u64>>,
    running: Option<TickLoop>,
}

impl Loops {
    fn new(socket: Socket) -> Self {
        Loops { socket, turns: Rc::default(), running: None }
    }

    fn command(&mut self, line: &str) {
        match line {
            "start" => {
                let turns = self.turns.clone();
                let running = tick_loop(move || turns.set(turns.get() + 1));
                let socket = self.socket.clone();
                running.on_stop(move || socket.send_data("stopped\n"));
                self.running = Some(running);
                self.socket.send_data("started\n");
            }
            "turns" => self.socket.send_data(format!("{}\n", self.turns.get())),
            "stop" => {
                if let Some(running) = self.running.take() {
                    running.stop();
                }
            }
            other => self.socket.send_data(format!("{other}\n")),
        }
    }
}

impl LineText2 for Loops {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Loops::new] }
