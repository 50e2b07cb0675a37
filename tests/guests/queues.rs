//! Queues on request, one command a line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandloop::{Queue, Socket, frames::LineText2, queues::Pop};

struct Queues {
    socket: Socket,
    last: Option<Pop>,
}

impl Queues {
    fn new(socket: Socket) -> Self {
        Queues { socket, last: None }
    }

    fn command(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (name, queue, text) = (words.next(), words.next(), words.next().unwrap_or_default());
        let queue = Queue::new(queue.unwrap_or_default());
        let socket = self.socket.clone();
        match name.unwrap_or_default() {
            "push" => {
                for item in text.split(' ') {
                    if let Err(error) = queue.try_push(item) {
                        return self.socket.send_data(format!("{error}\n"));
                    }
                }
                self.socket.send_data("ok\n");
            }
            "pop" => {
                let popped = queue.try_pop(move |item| {
                    socket.send_data(format!("got {}\n", String::from_utf8_lossy(item)));
                });
                match popped {
                    Ok(pop) => self.last = Some(pop),
                    Err(error) => self.socket.send_data(format!("{error}\n")),
                }
            }
            // Pushes from inside the callback of a pop.
            "pop-and-push" => {
                let same = queue.clone();
                let text = text.to_owned();
                queue.pop(move |item| {
                    same.push(&text);
                    socket.send_data(format!("got {}\n", String::from_utf8_lossy(item)));
                });
            }
            "cancel" => {
                if let Some(pop) = self.last.take() {
                    pop.cancel();
                }
                self.socket.send_data("ok\n");
            }
            "size" => {
                let (size, waiting) = (queue.size(), queue.num_waiting());
                self.socket.send_data(format!("{size} {waiting}\n"));
            }
            // Its pop waits and it never gets the item.
            "pop-and-die" => {
                queue.pop(|_| {});
                queue.push("for the next");
                panic!("on purpose");
            }
            // Its handler traps.
            "pop-and-trap" => {
                queue.pop(|_| panic!("on purpose"));
            }
            // Takes one item after the other, and says when each of its handlers begins and ends.
            "work" => work(&queue, socket),
            "fill" => {
                let item = vec![b'x'; 1000];
                let mut pushed = 0;
                while queue.try_push(&item).is_ok() {
                    pushed += 1;
                }
                self.socket.send_data(format!("pushed {pushed}\n"));
            }
            _ => self.socket.send_data("what?\n"),
        }
    }
}

/// Handles items for ever. Every sixteenth takes so long that others could begin meanwhile.
fn work(queue: &Queue, socket: Socket) {
    let again = queue.clone();
    queue.pop(move |item| {
        let item = String::from_utf8_lossy(item);
        socket.send_data(format!("begin {item} {}\n", nanoseconds()));
        if item.parse().is_ok_and(|number: u64| number.is_multiple_of(16)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        socket.send_data(format!("end {item} {}\n", nanoseconds()));
        work(&again, socket);
    });
}

/// What the calendar says: handlers of different hosts are compared by it.
fn nanoseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

impl LineText2 for Queues {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Queues::new] }
