//! The admin listener of a host, from the client's side.

use std::time::Instant;

use serde_json::Value;

use crate::PATIENCE;
use crate::host::Host;
use crate::peer::Peer;

/// The admin listener of a host.
#[derive(Clone, Debug)]
pub struct Admin {
    address: String,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct AdminReply {
    /// The status.
    pub status: u16,
    /// The lines of the head behind the status line.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Admin {
    /// The admin listener of a running host.
    pub fn of(host: &Host) -> Admin {
        let line = host.wait_log("watched and told what to do");
        let address = line.field("address").expect("it names its address");
        // A path is relative to the host's folder, and this process has another one.
        let address = match address.strip_prefix("unix://") {
            Some(path) => format!("unix://{}", host.dir().join(path).display()),
            None => address.to_owned(),
        };
        Admin { address }
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same listener, which listens at every address, at this one.
    pub fn at(&self, ip: &str) -> Admin {
        let port = self.address.rsplit(':').next().unwrap_or_default();
        Admin { address: format!("tcp://{ip}:{port}") }
    }

    /// Its name in the header `Host`.
    pub fn host(&self) -> &str {
        self.address.strip_prefix("tcp://").unwrap_or("localhost")
    }

    /// A connection to it.
    pub fn connect(&self) -> Peer {
        Peer::connect(&self.address)
    }

    /// Sends a request with `Host` and these lines in the head.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, head: &[&str]) -> AdminReply {
        let host = format!("Host: {}", self.host());
        self.ask_as(method, path, &[&[&*host], head].concat())
    }

    /// Sends a request with exactly these lines in the head.
    #[track_caller]
    pub fn ask_as(&self, method: &str, path: &str, head: &[&str]) -> AdminReply {
        let mut peer = self.connect();
        let lines: String = head.iter().map(|line| format!("{line}\r\n")).collect();
        peer.send(format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n"));
        AdminReply::read(&String::from_utf8_lossy(&peer.rest()))
    }

    /// The answer to a GET of a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> AdminReply {
        self.ask("GET", path, &[])
    }

    /// The JSON answer to a GET of a path.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
    }

    /// The value of a sample of the metrics, by its name and labels as they are written.
    #[track_caller]
    pub fn metric(&self, sample: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let value = { lines }.find(|(name, _)| *name == sample).map(|(_, value)| value);
        value.map(|value| value.parse().expect("a number"))
    }

    /// Waits until a sample has this value: the host may count an event a moment after its peer has seen it.
    #[track_caller]
    pub fn wait_metric(&self, sample: &str, expected: f64) {
        let begun = Instant::now();
        loop {
            let value = self.metric(sample);
            if value == Some(expected) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{sample} is {value:?}, not {expected}");
        }
    }
}

impl AdminReply {
    /// Reads a whole answer.
    #[track_caller]
    pub fn read(text: &str) -> AdminReply {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let (first, head) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        AdminReply {
            status: status.unwrap_or_else(|| panic!("{first:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The code of an error; empty if it is none.
    pub fn code(&self) -> String {
        let value: Value = serde_json::from_str(&self.body).unwrap_or_default();
        value["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}
