//! Executes the commands of its peer at an AMQP broker, a line each: `LABEL COMMAND NAME… WORD… KEY=VALUE…`, and answers with
//! lines that begin with the label: `LABEL ok …`, `LABEL failed CODE TEXT` or another event's name. Objects that it makes have
//! the first name: `c1 channel c`, `q1 queue q c name=jobs durable`. The commands are in `amqp/commands.rs`.

mod amqp {
    pub mod commands;
    pub mod words;
}

use sandloop::{Socket, frames::LineText2};

use amqp::commands::Bench;

struct AmqpCalls {
    bench: Bench,
}

impl AmqpCalls {
    fn new(socket: Socket) -> AmqpCalls {
        AmqpCalls { bench: Bench::new(socket) }
    }
}

impl LineText2 for AmqpCalls {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.bench.obey(&line);
    }
}

sandloop::plugin! { handlers: [AmqpCalls::new] }
