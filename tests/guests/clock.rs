//! Uses the system calls of a language's standard library. Lines: `sleep MS` sleeps in the callback and is answered with `slept
//! MS`, as its clock measured it; `time` is answered with the seconds since 1970; `random` with a number that differs from
//! instance to instance.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    thread,
    time::{Duration, Instant, SystemTime},
};

use sandloop::{Socket, frames::LineText2};

struct Clock {
    socket: Socket,
}

impl Clock {
    fn new(socket: Socket) -> Self {
        Clock { socket }
    }
}

impl LineText2 for Clock {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.socket.send_data(answer(&line) + "\n");
    }
}

fn answer(command: &str) -> String {
    match *command.split(' ').collect::<Vec<_>>() {
        ["sleep", time] => {
            let start = Instant::now();
            thread::sleep(Duration::from_millis(time.parse().expect("a number of milliseconds")));
            format!("slept {}", start.elapsed().as_millis())
        }
        ["time"] => {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.expect("it is after 1970").as_secs().to_string()
        }
        ["random"] => {
            let map: HashMap<u32, u32> = HashMap::new();
            map.hasher().hash_one(1).to_string()
        }
        _ => panic!("{command:?} is no command"),
    }
}

sandloop::plugin! { handlers: [Clock::new] }
