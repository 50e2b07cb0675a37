//! Requests as much of one thing as it gets, then answers with the number.

use std::time::{Duration, SystemTime};

use sandloop::{
    Channel, Connection, Options, Queue, Socket, connect,
    processes::{self, Process, ProcessId},
    reactor::try_next_tick,
    timers::try_add_timer,
    try_defer,
};

/// More than any limit allows.
const ENOUGH: u32 = 1_000_000;
/// Milliseconds between moments at which timers of all guests are due together.
const DUE_EVERY: u64 = 200;

struct Flood {
    socket: Socket,
    what: String,
    sink: Option<ProcessId>,
}

impl Flood {
    fn new(socket: Socket, options: &Options) -> Self {
        let what = options.get("what").unwrap_or_default().to_owned();
        Flood { socket, what, sink: None }
    }

    /// Whether one more was granted.
    fn one_more(&mut self, number: u32) -> bool {
        let message = [b'x'; 1000];
        match &*self.what {
            "timers" => try_add_timer(Duration::from_secs(3600), || {}).is_ok(),
            "due timers" => {
                let socket = self.socket.clone();
                let answer = move || {
                    if number == 0 {
                        socket.send_data("due\n");
                    }
                };
                try_add_timer(until_all_are_due(), answer).is_ok()
            }
            "ticks" => try_next_tick(|| {}).is_ok(),
            "defers" => try_defer(endless, |()| {}, |_| {}).is_ok(),
            "spawns" => processes::try_spawn("breeder", message, |_| {}).is_ok(),
            "notifies" => {
                let sink = self.sink.get_or_insert_with(|| processes::spawn("sink", "", |_| {}));
                sink.try_notify(message).is_ok()
            }
            "subscriptions" => Channel::new("flood").try_subscribe(|_| {}).is_ok(),
            "channels" => Channel::new(&format!("flood {number}")).try_subscribe(|_| {}).is_ok(),
            "publishes" => {
                if number == 0 {
                    let _ = Channel::new("flood").try_subscribe(|_| {});
                }
                Channel::new("flood").try_push(message).is_ok()
            }
            "pops" => Queue::new("flood").try_pop(|_| {}).is_ok(),
            "pushes" => Queue::new("flood").try_push(message).is_ok(),
            "connects" => connect("127.0.0.1", 9, Silent).is_ok(),
            "sends" => self.socket.try_send_data(message).is_ok(),
            "logs" => {
                sandloop::info!("number {number}");
                number < 50_000
            }
            other => panic!("no flood of {other:?}"),
        }
    }
}

struct Silent(#[expect(dead_code, reason = "held, not used")] Socket);

impl Connection for Silent {}

/// Until the next moment at which everything is due, whoever asks for it.
fn until_all_are_due() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(DUE_EVERY - (since.as_millis() as u64) % DUE_EVERY)
}

fn endless() -> sandloop::Result {
    loop {
        std::hint::black_box(0);
    }
}

/// A process that makes more of its kind.
struct Breeder;

impl Breeder {
    fn new(argument: &[u8]) -> Self {
        while processes::try_spawn("breeder", argument, |_| {}).is_ok() {}
        Breeder
    }
}

impl Process for Breeder {
    fn notified(&mut self, _: &[u8]) {}
}

/// A process that takes what comes.
struct Sink;

impl Sink {
    fn new(_: &[u8]) -> Self {
        Sink
    }
}

impl Process for Sink {
    fn notified(&mut self, _: &[u8]) {}
}

impl Connection for Flood {
    fn receive_data(&mut self, _data: &[u8]) {
        let granted = (0..ENOUGH).take_while(|number| self.one_more(*number)).count();
        // What is not answered here is answered by what was asked for.
        if !matches!(&*self.what, "sends" | "due timers") {
            self.socket.send_data(format!("{granted}\n"));
        }
    }
}

sandloop::plugin! { handlers: [Flood::new], processes: [Breeder::new, Sink::new] }
