//! A tick loop for each connection, from `start` to `stop`: then it tells whether it ran.

#[path = "shared/lines.rs"]
mod lines;

use std::{cell::Cell, rc::Rc};

use sandloop::{Connection, Socket, TickLoop, tick_loop};

use crate::lines::Lines;

struct Loops {
    socket: Socket,
    lines: Lines,
    turns: Rc<Cell<u64>>,
    running: Option<TickLoop>,
}

impl Loops {
    fn new(socket: Socket) -> Self {
        Loops { socket, lines: Lines::default(), turns: Rc::default(), running: None }
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

impl Connection for Loops {
    fn receive_data(&mut self, data: &[u8]) {
        for line in self.lines.take(data) {
            self.command(&line);
        }
    }
}

sandloop::plugin! { handlers: [Loops::new] }
