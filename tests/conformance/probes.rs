//! Requests that probes of servers send, from the tables in `cases`: which answers come, and whether the server closes.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use sandloop_testkit::cases::{self, Case};
use sandloop_tests::{Config, Host, Isolation, Plugin};

use crate::outcome::Outcome;

/// A server that has not said anything for so long waits.
const QUIET: Duration = Duration::from_secs(2);

/// How many probes are under way at once; most of their time they wait.
const SIDE_BY_SIDE: usize = 16;

pub fn http11probe() -> Vec<Outcome> {
    probe("http11probe")
}

pub fn h1spec() -> Vec<Outcome> {
    probe("h1spec")
}

fn probe(table: &str) -> Vec<Outcome> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases");
    let prefix = format!("{table}: ");
    let mut cases = cases::read(&folder);
    cases.retain(|case| case.name.starts_with(&prefix));
    let host =
        Host::start(&Config::serving(Plugin::new("http_forms").isolation(Isolation::Connection)));
    let address = host.address("http_forms").replace("tcp://", "");
    let share = cases.len().div_ceil(SIDE_BY_SIDE).max(1);
    thread::scope(|scope| {
        let shares: Vec<_> = cases
            .chunks(share)
            .map(|share| {
                let (address, prefix) = (&address, &prefix);
                scope.spawn(move || {
                    share.iter().map(|case| outcome(case, address, prefix)).collect::<Vec<_>>()
                })
            })
            .collect();
        shares.into_iter().flat_map(|share| share.join().expect("no probe panics")).collect()
    })
}

fn outcome(case: &Case, address: &str, prefix: &str) -> Outcome {
    let answers = Answers::to(&case.bytes, address);
    Outcome {
        case: case.name.trim_start_matches(prefix).to_owned(),
        expected: case.expected.join(" or "),
        seen: answers.told(),
        agrees: case.expected.iter().any(|expected| answers.are(expected)),
    }
}

/// All that a server says to some bytes.
struct Answers {
    text: String,
    /// It has ended the connection.
    closed: bool,
}

impl Answers {
    fn to(bytes: &[u8], address: &str) -> Answers {
        let mut stream = TcpStream::connect(address).expect("the host serves");
        stream.set_read_timeout(Some(QUIET)).expect("a time");
        stream.set_write_timeout(Some(QUIET)).expect("a time");
        // A server may have closed before it has read everything.
        let _ = stream.write_all(bytes);
        let mut all = Vec::new();
        let mut buffer = vec![0; 65_536];
        let closed = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        };
        // It fails where the server was first.
        let _ = stream.shutdown(Shutdown::Both);
        Answers { text: String::from_utf8_lossy(&all).into_owned(), closed }
    }

    /// The statuses of all answers, then `closed`; `waits` for nothing at all.
    fn told(&self) -> String {
        let mut told = String::new();
        for part in self.text.split("HTTP/1.1 ").skip(1) {
            if part.len() > 3 && part[..3].bytes().all(|byte| byte.is_ascii_digit()) {
                write!(told, "{} ", &part[..3]).expect("a String takes everything");
            }
        }
        told.push_str(match self.closed {
            true => "closed",
            false if told.is_empty() => "waits",
            false => "",
        });
        told.trim_end().to_owned()
    }

    /// Whether they are what a line of the table says: `200 with hello without X`.
    fn are(&self, expected: &str) -> bool {
        let (rest, without) = expected.split_once(" without ").unwrap_or((expected, ""));
        let (told, with) = rest.split_once(" with ").unwrap_or((rest, ""));
        self.told() == told
            && self.text.contains(with)
            && (without.is_empty() || !self.text.contains(without))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_by_their_statuses() {
        let answers = |text: &str, closed| Answers { text: text.to_owned(), closed };
        let two = answers(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n",
            true,
        );
        assert_eq!(two.told(), "100 200 closed");
        assert!(two.are("100 200 closed with X: y"));
        assert!(!two.are("100 200 closed with X: z") && !two.are("100 200 closed without X: y"));
        assert!(!two.are("100 200"));
        assert_eq!(answers("", false).told(), "waits");
        assert_eq!(answers("", true).told(), "closed");
        assert!(answers("HTTP/1.1 200 OK\r\n", false).are("200 without X"));
    }
}
