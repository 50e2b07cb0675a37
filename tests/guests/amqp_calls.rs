//! Does at an AMQP broker what its peer says, a line each: `LABEL COMMAND NAME… WORD… KEY=VALUE…`, and answers with lines
//! that begin with the label: `LABEL ok …`, `LABEL failed CODE TEXT` or another event's name. What it makes it knows by
//! the first name: `c1 channel c`, `q1 queue q c name=jobs durable`. The commands are in `amqp/commands.rs`.

mod amqp {
    pub mod commands;
    pub mod words;
}

use sandloop::{Connection, Socket};

#[path = "shared/lines.rs"]
mod lines;
use amqp::commands::Bench;
use lines::Lines;

struct AmqpCalls {
    lines: Lines,
    bench: Bench,
}

impl AmqpCalls {
    fn new(socket: Socket) -> AmqpCalls {
        AmqpCalls { lines: Lines::default(), bench: Bench::new(socket) }
    }
}

impl Connection for AmqpCalls {
    fn receive_data(&mut self, data: &[u8]) {
        for line in self.lines.take(data) {
            self.bench.obey(&line);
        }
    }
}

sandloop::plugin! { handlers: [AmqpCalls::new] }
