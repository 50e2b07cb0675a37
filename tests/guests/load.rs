//! Large numbers on command: timers, messages, deferred work.

use std::{cell::Cell, rc::Rc, time::Duration};

use sandloop::{Channel, Operation, Socket, add_timer, defer, frames::LineText2};

const ROOM: &str = "load";
/// The message that ends a run.
const LAST: u32 = u32::MAX;

struct Load {
    socket: Socket,
}

impl Load {
    fn new(socket: Socket) -> Self {
        Load { socket }
    }

    fn command(&self, line: &str) {
        let (name, number) = line.split_once(' ').unwrap_or((line, ""));
        let number: u32 = number.parse().unwrap_or_default();
        match name {
            "churn" => self.churn(number),
            "subscribe" => self.subscribe(),
            "push" => push(self.socket.clone(), 0, number),
            "work" => self.work(number),
            _ => self.socket.send_data("what?\n"),
        }
    }

    /// Arms so many timers for an hour from now and cancels each.
    fn churn(&self, count: u32) {
        for _ in 0..count {
            add_timer(Duration::from_secs(3600), || {}).cancel();
        }
        self.socket.send_data("done\n");
    }

    /// Counts what comes and tells at the end whether it was all, in order.
    fn subscribe(&self) {
        let socket = self.socket.clone();
        let mut next = 0;
        let mut in_order = true;
        Channel::new(ROOM).subscribe(move |message| {
            let number = message.try_into().map(u32::from_le_bytes).unwrap_or_default();
            if number == LAST {
                let verdict = if in_order { "in order" } else { "out of order" };
                socket.send_data(format!("{next} {verdict}\n"));
            } else {
                in_order &= number == next;
                next += 1;
            }
        });
        self.socket.send_data("ok\n");
    }

    /// So many operations of a millisecond or so, all in flight at once.
    fn work(&self, count: u32) {
        let left = Rc::new(Cell::new(count));
        for _ in 0..count {
            let (socket, left) = (self.socket.clone(), left.clone());
            let spin = Operation::with(200_000_u64, |rounds: u64| {
                Ok((0..rounds).fold(0_u64, |sum, round| std::hint::black_box(sum ^ round)))
            });
            let done = move |_: u64| {
                left.set(left.get() - 1);
                if left.get() == 0 {
                    socket.send_data("done\n");
                }
            };
            defer(spin, done, |failure| panic!("{failure}"));
        }
        self.socket.send_data("asked\n");
    }
}

/// Pushes the numbers from `first` on; where the channel is full it goes on when it has room.
fn push(socket: Socket, first: u32, count: u32) {
    let room = Channel::new(ROOM);
    for number in (first..count).chain([LAST]) {
        if room.try_push(number.to_le_bytes()).is_err() {
            let again = if number == LAST { count } else { number };
            add_timer(Duration::from_millis(1), move || push(socket, again, count));
            return;
        }
    }
    socket.send_data("pushed\n");
}

impl LineText2 for Load {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Load::new] }
