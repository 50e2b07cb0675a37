//! The other end of a program's connections: it does what the scenario says, in the same way for both programs.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandloop_tests::{Peer, Server};

use super::programs::Program;
use super::scenario::Scenario;

/// `\n`, `\r` and `\0` as in Rust.
fn unescape(text: &str) -> String {
    [("\\n", "\n"), ("\\r", "\r"), ("\\0", "\0")]
        .iter()
        .fold(text.to_owned(), |text, (word, byte)| text.replace(word, byte))
}

fn append(path: &Path) {
    let file = fs::OpenOptions::new().append(true).open(path);
    file.expect("it is there").write_all(b"more").expect("there is room");
}

/// The server of the program's clients, and the clients of its server.
pub struct OtherEnd {
    server: Option<Server>,
    /// They keep a silent server's queue full.
    _queue: Box<dyn std::any::Any>,
    dir: tempfile::TempDir,
    is_unix: bool,
    peers: Vec<Peer>,
    current: usize,
    /// Its notes for the trace.
    pub noted: Vec<String>,
}

impl OtherEnd {
    pub fn new(scenario: &Scenario) -> OtherEnd {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (server, queue): (_, Box<dyn std::any::Any>) = match scenario.serve.as_deref() {
            None => (None, Box::new(())),
            Some("accept") => (Some(Server::tcp()), Box::new(())),
            Some("refuse") => (Some(Server::refusing()), Box::new(())),
            Some("silent") => {
                let (server, queue) = Server::silent();
                (Some(server), Box::new(queue))
            }
            Some("unix") => (Some(Server::unix(&dir.path().join("other.sock"))), Box::new(())),
            Some(other) => panic!("no server is {other:?}"),
        };
        let is_unix = scenario.serve.as_deref() == Some("unix");
        OtherEnd {
            server,
            _queue: queue,
            dir,
            is_unix,
            peers: Vec::new(),
            current: 0,
            noted: Vec::new(),
        }
    }

    /// The port of a TCP server.
    pub fn port(&self) -> Option<u16> {
        self.server.as_ref().filter(|_| !self.is_unix).map(Server::port)
    }

    /// The path of a Unix server.
    pub fn path(&self) -> Option<PathBuf> {
        self.is_unix.then(|| Path::join(self.dir.path(), "other.sock"))
    }

    /// Plays the scenario.
    pub fn play(&mut self, scenario: &Scenario, program: &impl Program) {
        for line in &scenario.client {
            let (step, rest) = line.split_once(' ').unwrap_or((line, ""));
            self.step(step, &unescape(rest), program);
        }
    }

    fn step(&mut self, step: &str, rest: &str, program: &impl Program) {
        match step {
            "" => {}
            "connect" => self.add(Peer::connect(&program.address())),
            // The kernel keeps only a little for it.
            "narrow" => self.add(Peer::connect_narrow(&program.address())),
            "accept" => {
                let peer = self.server.as_ref().expect("a server").accept();
                self.add(peer);
            }
            // The other one of two, which is made at its first use.
            "second" if self.peers.len() < 2 => self.add(Peer::connect(&program.address())),
            "second" => self.current = 1,
            "first" => self.current = 0,
            "send" => self.peer().send(rest),
            "expect" => self.peer().expect(rest),
            "count" => self.peer().expect_count(rest.parse().expect("a number")),
            "finish" => self.peer().finish(),
            "end" => self.peer().expect_end(),
            "reset" => self.peers.remove(self.current).reset(),
            "rest" => {
                let rest = String::from_utf8_lossy(&self.peer().rest()).into_owned();
                let rest = if rest.is_empty() { "nothing".to_owned() } else { rest };
                self.noted.push(format!("client got {rest}"));
            }
            "all" => {
                let all: usize = rest.parse().expect("a number");
                let got = if self.peer().rest().len() == all { "all" } else { "a part" };
                self.noted.push(format!("client got {got}"));
            }
            "append" => append(&program.dir().join(rest)),
            "create" => fs::write(program.dir().join(rest), "new").expect("a new file"),
            "delete" => fs::remove_file(program.dir().join(rest)).expect("it is there"),
            "move" => {
                let (from, to) = rest.split_once(' ').expect("two paths");
                let path = |name: &str| program.dir().join(name);
                fs::rename(path(from), path(to)).expect("it is there");
            }
            "wait" => program.wait_line(rest),
            // The scenario is about the time until something comes.
            "after" => {
                std::thread::sleep(Duration::from_millis(rest.parse().expect("a number")));
            }
            other => panic!("no such step: {other}"),
        }
    }

    fn add(&mut self, peer: Peer) {
        self.peers.push(peer);
        self.current = self.peers.len() - 1;
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peers[self.current]
    }
}
