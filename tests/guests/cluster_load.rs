//! One end of a load over channels: pushes numbered messages within a window, or counts and acknowledges them.
//!
//! Commands, one a line: `receive EVERY [RUN]` acknowledges each EVERY-th message and answers `ok`; `push WINDOW EVERY BYTES [RUN]`
//! prepares the other end of that run, and `probe` begins it as soon as the receiver is subscribed, which `there` reports. `tell` answers
//! with the number of acknowledged messages, and with p50, p99 and the longest time of those acknowledged since the last
//! `tell`, in nanoseconds.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Instant};

use sandloop::{Channel, Socket, Subscription, frames::LineText2};

struct ClusterLoad {
    socket: Socket,
    pushes: Option<Rc<RefCell<Pushes>>>,
    subscription: Option<Subscription>,
}

/// What the pushing end knows.
struct Pushes {
    channel: Channel,
    window: u64,
    every: u64,
    message: Vec<u8>,
    has_begun: bool,
    pushed: u64,
    acknowledged: u64,
    /// When the messages were pushed that will be acknowledged, the oldest first.
    times: VecDeque<Instant>,
    /// From a push to its acknowledgement, in nanoseconds.
    taken: Vec<u64>,
}

impl Pushes {
    /// Pushes as much as the window and the host's bounds allow.
    fn fill(&mut self) {
        while self.pushed < self.acknowledged + self.window {
            if self.channel.try_push(&self.message).is_err() {
                return;
            }
            self.pushed += 1;
            if self.pushed.is_multiple_of(self.every) {
                self.times.push_back(Instant::now());
            }
        }
    }

    fn acknowledge(&mut self) {
        self.acknowledged += self.every;
        let pushed = self.times.pop_front().expect("an acknowledgement is of what was pushed");
        self.taken.push(pushed.elapsed().as_nanos() as u64);
        self.fill();
    }

    fn tell(&mut self) -> String {
        self.taken.sort_unstable();
        let at = |share: usize| self.taken.get(self.taken.len() * share / 1000).copied();
        let last = self.taken.last().copied().unwrap_or_default();
        let (median, p99) = (at(500).unwrap_or_default(), at(990).unwrap_or_default());
        let told = format!("{} {median} {p99} {last}\n", self.acknowledged);
        self.taken.clear();
        told
    }
}

impl ClusterLoad {
    fn new(socket: Socket) -> Self {
        ClusterLoad { socket, pushes: None, subscription: None }
    }

    fn receive(&mut self, every: u64, run: &str) {
        let (acknowledgements, mut received) = (Channel::new(&format!("acks{run}")), 0);
        self.subscription = Some(Channel::new(&format!("load{run}")).subscribe(move |message| {
            if message == b"?" {
                return acknowledgements.push("!");
            }
            received += 1;
            if received % every == 0 {
                acknowledgements.push("+");
            }
        }));
        self.socket.send_data("ok\n");
    }

    fn prepare(&mut self, window: u64, every: u64, bytes: usize, run: &str) {
        let pushes = Rc::new(RefCell::new(Pushes {
            channel: Channel::new(&format!("load{run}")),
            window,
            every,
            message: vec![b'x'; bytes],
            has_begun: false,
            pushed: 0,
            acknowledged: 0,
            times: VecDeque::new(),
            taken: Vec::new(),
        }));
        self.pushes = Some(pushes.clone());
        let socket = self.socket.clone();
        self.subscription = Some(Channel::new(&format!("acks{run}")).subscribe(move |message| {
            let mut pushes = pushes.borrow_mut();
            match message {
                b"+" => pushes.acknowledge(),
                _ if pushes.has_begun => {}
                _ => {
                    pushes.has_begun = true;
                    socket.send_data("there\n");
                    pushes.fill();
                }
            }
        }));
    }
}

impl LineText2 for ClusterLoad {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words.get(place).and_then(|word| word.parse().ok());
        let run = |place: usize| words.get(place).copied().unwrap_or_default();
        match (words[0], number(1), number(2), number(3)) {
            ("receive", Some(every), None, None) => self.receive(every, run(2)),
            ("push", Some(window), Some(every), Some(bytes)) => {
                self.prepare(window, every, bytes as usize, run(4));
            }
            ("probe", ..) => {
                if let Some(pushes) = self.pushes.as_ref().filter(|it| !it.borrow().has_begun) {
                    pushes.borrow().channel.push("?");
                }
            }
            ("tell", ..) => {
                let told = self.pushes.as_ref().map(|pushes| pushes.borrow_mut().tell());
                self.socket.send_data(told.unwrap_or_default());
            }
            _ => self.socket.send_data("what?\n"),
        }
    }
}

sandloop::plugin! { handlers: [ClusterLoad::new] }
