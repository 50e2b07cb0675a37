//! Processes of the cluster on request, one command a line. A process speaks through the channel `out`, which all hosts share.

use std::collections::BTreeMap;

use sandloop::cluster_processes::{self, ClusterProcess, Placement};
use sandloop::{
    Channel, ErrorCode, Socket,
    frames::LineText2,
    options,
    processes::{self, Process},
};

/// Says where it is, counts the messages that it is sent, and takes some as orders.
struct Counter {
    id: String,
    count: usize,
}

/// The name of this host, as the file has it.
fn here() -> String {
    options::get("host").unwrap_or_default()
}

fn say(text: &str) {
    Channel::new("out").push(text);
}

impl Counter {
    fn new(argument: &[u8]) -> Self {
        assert!(argument != b"stillborn", "on purpose");
        let id = cluster_processes::current().expect("a process of the cluster").to_string();
        say(&format!("born {} {} {id}", here(), String::from_utf8_lossy(argument)));
        Counter { id, count: 0 }
    }
}

impl Process for Counter {
    fn notified(&mut self, message: &[u8]) {
        match message {
            b"exit" => processes::exit(),
            b"panic" => panic!("on purpose"),
            b"loop" => loop {
                std::hint::black_box(&self.count);
            },
            b"count" => say(&format!("count {} {}", self.count, self.id)),
            // A number: each is the next one.
            message => {
                let text = String::from_utf8_lossy(message);
                if text.parse() == Ok(self.count) {
                    self.count += 1;
                } else {
                    say(&format!("got {text} after {} {}", self.count, self.id));
                }
            }
        }
    }
}

struct Parent {
    socket: Socket,
    processes: BTreeMap<String, ClusterProcess>,
}

impl Parent {
    fn new(socket: Socket) -> Self {
        Parent { socket, processes: BTreeMap::new() }
    }

    fn answer(&self, text: &str) {
        self.socket.send_data(format!("{text}\n"));
    }

    fn told(&self, result: Result<(), ErrorCode>) {
        match result {
            Ok(()) => self.answer("ok"),
            Err(error) => self.answer(&error.to_string()),
        }
    }

    /// `spawn CLASS PLACE ARGUMENT`, where a place is `-` or a key, or `spawn-of PLUGIN CLASS PLACE ARGUMENT`.
    fn spawn(&mut self, plugin: Option<&str>, words: &str) -> Result<ClusterProcess, ErrorCode> {
        let mut words = words.splitn(3, ' ').map(|word| word.replace("%20", " "));
        let mut next = || words.next().unwrap_or_default();
        let (class, place, argument) = (next(), next(), next());
        let place = if place == "-" { Placement::LeastLoaded } else { Placement::Key(place) };
        let socket = self.socket.clone();
        let name = argument.clone();
        let exited = move |reason| socket.send_data(format!("exited {name} {reason:?}\n"));
        let process = match plugin {
            None => cluster_processes::spawn(&class, &argument, &place, exited),
            Some(plugin) => cluster_processes::spawn_of(plugin, &class, &argument, &place, exited),
        }?;
        self.processes.insert(argument, process);
        Ok(process)
    }

    /// A process by its argument, or by its id.
    fn find(&self, name: &str) -> Option<ClusterProcess> {
        self.processes.get(name).copied().or_else(|| name.parse().ok())
    }

    fn command(&mut self, line: &str) {
        let (command, words) = line.split_once(' ').unwrap_or((line, ""));
        let (name, text) = words.split_once(' ').unwrap_or((words, ""));
        match command {
            "listen" => {
                let socket = self.socket.clone();
                Channel::new("out").subscribe(move |message| {
                    socket.send_data(format!("{}\n", String::from_utf8_lossy(message)));
                });
                self.answer("ok");
            }
            "hello" => say(words),
            "spawn" | "spawn-of" => {
                let spawned = match command {
                    "spawn" => self.spawn(None, words),
                    _ => self.spawn(Some(name), text),
                };
                self.told(spawned.map(drop));
            }
            // Several numbers in one callback.
            "feed" => {
                let process = self.find(name);
                let mut range = text.split("..").filter_map(|it| it.parse::<usize>().ok());
                let (from, to) = (range.next().unwrap_or(0), range.next().unwrap_or(0));
                let mut fed = (from..to).map(|number| match process {
                    Some(process) => process.notify(number.to_string()),
                    None => Err(ErrorCode::InvalidArgument),
                });
                self.told(fed.find(Result::is_err).unwrap_or(Ok(())));
            }
            "notify" => {
                let text = text.to_owned();
                self.told(
                    self.find(name).map_or(Err(ErrorCode::InvalidArgument), |it| it.notify(text)),
                );
            }
            "giant" => {
                let message = vec![b'x'; text.parse().unwrap_or(0)];
                self.told(
                    self.find(name)
                        .map_or(Err(ErrorCode::InvalidArgument), |it| it.notify(message)),
                );
            }
            "kill" => {
                self.find(name).into_iter().for_each(ClusterProcess::kill);
                self.answer("ok");
            }
            // As many processes as are granted.
            "flood-spawns" => {
                let mut granted = 0;
                let flood = loop {
                    match self.spawn(None, &format!("counter {name} flood{granted}")) {
                        Ok(_) if granted < 100_000 => granted += 1,
                        Ok(_) => break "never refused".to_owned(),
                        Err(error) => break error.to_string(),
                    }
                };
                self.answer(&format!("spawned {granted}: {flood}"));
            }
            // As many messages as are taken.
            "flood" => {
                let message = vec![b'x'; 1000];
                let mut taken = 0;
                while self.find(name).is_some_and(|it| it.notify(&message).is_ok()) {
                    taken += 1;
                }
                self.answer(&format!("notified {taken}"));
            }
            "trap" => panic!("on purpose"),
            _ => self.answer("what?"),
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
