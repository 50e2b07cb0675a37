//! NATS servers, run as child processes: one, or several that form a cluster, each with JetStream in a folder that is removed
//! with them.
//!
//! Each server has its own loopback address and uses the usual ports there, or the next free ones.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use crate::PATIENCE;
use crate::host::{Running, own_loopback};
use crate::peer::Peer;
use crate::rabbitmq::free_port;

/// The usual ports: for clients, for other servers of the cluster, and for monitoring.
const PORT: u16 = 4222;
const ROUTE_PORT: u16 = 6222;
const WATCHED_PORT: u16 = 8222;

/// Servers; dropping them kills them.
#[derive(Debug)]
pub struct Nats {
    nodes: Vec<Node>,
    // The folder goes after the servers.
    dir: TempDir,
}

#[derive(Debug)]
struct Node {
    name: String,
    address: String,
    /// The address of its monitoring.
    watched: String,
    file: PathBuf,
    running: Option<Running>,
}

impl Nats {
    /// One server.
    pub fn start() -> Nats {
        Nats::start_with(1, "")
    }

    /// This number of servers in one cluster, as soon as JetStream has a leader in it.
    pub fn cluster(servers: usize) -> Nats {
        Nats::start_with(servers, "")
    }

    /// Like [`Nats::cluster`], with this text in the configuration of each: `authorization`, `accounts`, `max_payload`.
    pub fn start_with(servers: usize, more: &str) -> Nats {
        let addresses: Vec<String> = (0..servers).map(|_| own_loopback()).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        Nats::start_at(&addresses, more)
    }

    /// Like [`Nats::start_with`], at these addresses, such as that of a test's own network.
    pub fn start_at(addresses: &[&str], more: &str) -> Nats {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ports = |ip: &&str| (free_port(ip, PORT), free_port(ip, ROUTE_PORT));
        let ports: Vec<(u16, u16)> = addresses.iter().map(ports).collect();
        let places: Vec<_> = addresses.iter().zip(ports).collect();
        let routes: Vec<String> =
            places.iter().map(|(ip, (_, route))| format!("\"nats://{ip}:{route}\"")).collect();
        let nodes = places.iter().enumerate().map(|(number, (ip, (port, route)))| {
            let name = format!("n{}", number + 1);
            let store = dir.path().join(&name);
            let watched = format!("{ip}:{}", free_port(ip, WATCHED_PORT));
            let mut text = format!(
                "server_name: {name}\nlisten: \"{ip}:{port}\"\nhttp: \"{watched}\"\n\
                 jetstream {{ store_dir: {store:?}, max_memory_store: 64MB, max_file_store: 1GB }}\n"
            );
            if 1 < addresses.len() {
                let routes = routes.join(", ");
                let cluster = format!("name: test, listen: \"{ip}:{route}\", routes: [{routes}]");
                writeln!(text, "cluster {{ {cluster} }}").expect("a String takes everything");
            }
            text.push_str(more);
            let file = dir.path().join(format!("{name}.conf"));
            fs::write(&file, text).expect("the temporary directory takes a file");
            Node { name, address: format!("{ip}:{port}"), watched, file, running: None }
        });
        let mut nats = Nats { nodes: nodes.collect(), dir };
        nats.nodes.iter_mut().for_each(Node::begin);
        (0..nats.nodes.len()).for_each(|server| nats.wait_ready(server));
        nats
    }

    /// The address of one server, such as `127.1.2.3:4222`.
    pub fn address(&self, server: usize) -> &str {
        &self.nodes[server].address
    }

    /// All addresses, in the form of `nats = […]`.
    pub fn urls(&self) -> String {
        let urls: Vec<String> =
            self.nodes.iter().map(|node| format!("\"nats://{}\"", node.address)).collect();
        format!("[{}]", urls.join(", "))
    }

    /// A client of the first server that is subscribed to these subjects; what else it says is up to the test.
    pub fn client(&self, subjects: &[&str]) -> Peer {
        let mut client = Peer::connect(&format!("tcp://{}", self.address(0)));
        let mut text = "CONNECT {\"verbose\":false,\"headers\":true}\r\n".to_owned();
        for (number, subject) in subjects.iter().enumerate() {
            write!(text, "SUB {subject} {number}\r\n").expect("a String takes everything");
        }
        client.send(text + "PING\r\n");
        while client.line() != "PONG\r" {}
        client
    }

    /// Kills a server, as in a crash.
    pub fn kill(&mut self, server: usize) {
        self.nodes[server].running = None;
    }

    /// Starts it again at the same address, with its stored data.
    pub fn start_again(&mut self, server: usize) {
        self.nodes[server].begin();
        self.wait_ready(server);
    }

    /// Sends a signal to a server, such as one that stops or continues it.
    pub fn signal(&self, server: usize, signal: rustix::process::Signal) {
        self.nodes[server].running.as_ref().expect("a server that runs").signal(signal);
    }

    /// Waits for a line of a server's log that contains this.
    #[track_caller]
    pub fn wait_log(&self, server: usize, words: &str) {
        let node = &self.nodes[server];
        let says = node.running.as_ref().is_some_and(|running| running.logs(words));
        assert!(says, "{} has not said `{words}` within {PATIENCE:?}", node.name);
    }

    /// The folder of their files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until a server accepts clients, and until its JetStream knows the leader.
    fn wait_ready(&self, server: usize) {
        self.wait_log(server, "Server is ready");
        let (node, begun) = (&self.nodes[server], Instant::now());
        while !node.is_healthy() {
            assert!(begun.elapsed() < PATIENCE, "JetStream has no leader at {}", node.name);
        }
    }
}

impl Node {
    fn begin(&mut self) {
        let mut command = Command::new(program().expect("nats-server is installed"));
        command.arg("--config").arg(&self.file);
        self.running = Some(Running::spawn(command));
    }

    /// Its health according to its monitoring: the log does not report every election.
    fn is_healthy(&self) -> bool {
        let mut peer = Peer::connect(&format!("tcp://{}", self.watched));
        peer.send("GET /healthz?js-server-only=true HTTP/1.0\r\n\r\n");
        peer.line() == "HTTP/1.0 200 OK\r"
    }
}

/// The program of Debian, which is in no usual folder, or the one in `PATH`; none if there is neither.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from("/usr/sbin")].into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}
