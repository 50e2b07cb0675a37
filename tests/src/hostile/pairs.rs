//! Every function of the contract, and the other services of the host for a guest or a peer, combined with every resource that
//! they may use up: a table that the contract itself generates.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::contract;
use crate::{Config, Listen, Plugin};

/// The guest that does the first half of a pair.
pub const GUEST: &str = "hostile_keep";
/// The functions of WASI besides the contract: through a guest's own library, and each function by itself.
const WASI: &[&str] = &[
    "stdout",
    "open",
    "folder",
    "cli.get-environment",
    "cli.get-arguments",
    "cli.initial-cwd",
    "cli.get-stdin",
    "cli.get-stdout",
    "cli.get-stderr",
    "cli.get-terminal-stdin",
    "cli.get-terminal-stdout",
    "cli.get-terminal-stderr",
    "clocks.now",
    "clocks.resolution",
    "clocks.subscribe-instant",
    "clocks.subscribe-duration",
    "random.get-random-bytes",
    "random.get-random-u64",
    "random.get-insecure-random-bytes",
    "random.get-insecure-random-u64",
    "random.insecure-seed",
    "sockets.create-tcp-socket",
    "sockets.create-udp-socket",
    "sockets.resolve-addresses",
    "descriptor.read-via-stream",
    "descriptor.write-via-stream",
    "descriptor.append-via-stream",
    "descriptor.advise",
    "descriptor.sync-data",
    "descriptor.sync",
    "descriptor.get-flags",
    "descriptor.get-type",
    "descriptor.set-size",
    "descriptor.set-times",
    "descriptor.read",
    "descriptor.write",
    "descriptor.stat",
    "descriptor.is-same-object",
    "descriptor.metadata-hash",
    "folder.get-directories",
    "folder.open-at",
    "folder.read-directory",
    "folder.create-directory-at",
    "folder.stat-at",
    "folder.set-times-at",
    "folder.link-at",
    "folder.readlink-at",
    "folder.remove-directory-at",
    "folder.rename-at",
    "folder.symlink-at",
    "folder.unlink-file-at",
    "folder.metadata-hash-at",
    "poll.ready",
    "poll.block",
    "poll.poll",
    "input.read",
    "input.blocking-read",
    "input.skip",
    "input.blocking-skip",
    "input.subscribe",
    "output.check-write",
    "output.write",
    "output.blocking-write-and-flush",
    "output.flush",
    "output.blocking-flush",
    "output.subscribe",
    "output.write-zeroes",
    "output.blocking-write-zeroes-and-flush",
    "output.splice",
    "output.blocking-splice",
];
/// The folder that the guest sees, and the number of files in it.
const FOLDER: &str = "data";
const FILES: usize = 1000;

/// How long nothing may be released while all calls of this guest continue in turns: 16 connections, each of which may
/// have a hundred lines left, with 50 ms for each line. That is 80 s of a core, of which this tenant has a share, and the
/// machine may be busy.
pub const ALL_AT_ONCE: Duration = Duration::from_secs(600);

/// The resource that a guest uses up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostResource {
    /// Entries in the host's tables: as many as there are.
    Places,
    /// Memory of the host: as many of the largest as there are.
    Memory,
    /// CPU time: calls without end.
    Cpu,
    /// Sandboxes: many calls, then a trap.
    Sandboxes,
}

/// The behaviour of a pair's peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerBehaviour {
    /// Waits for the answer, or for the end.
    Waits,
    /// Goes at once, with a reset.
    Resets,
    /// Ends its side and reads on.
    HalfCloses,
    /// Sends a byte at a time.
    Drips,
    /// Sends the same again and again and never reads.
    NeverReads,
}

/// One attack: a function and a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// A function, as in `channels.push`.
    pub function: String,
    /// The resource that it uses up.
    pub resource: HostResource,
    /// The behaviour of its peer.
    pub peer: PeerBehaviour,
}

impl HostResource {
    /// All resources.
    pub const ALL: [HostResource; 4] =
        [HostResource::Places, HostResource::Memory, HostResource::Cpu, HostResource::Sandboxes];

    /// Its name for the guest.
    fn word(self) -> &'static str {
        match self {
            HostResource::Places => "most",
            HostResource::Memory => "largest",
            HostResource::Cpu => "endless",
            HostResource::Sandboxes => "trap",
        }
    }
}

impl PeerBehaviour {
    /// All behaviours.
    pub const ALL: [PeerBehaviour; 5] = [
        PeerBehaviour::Waits,
        PeerBehaviour::Resets,
        PeerBehaviour::HalfCloses,
        PeerBehaviour::Drips,
        PeerBehaviour::NeverReads,
    ];
}

impl Pair {
    /// The line that tells the guest what to do.
    pub fn line(&self) -> String {
        format!("{} {}\n", self.function, self.resource.word())
    }

    /// Its unique name.
    pub fn name(&self) -> String {
        format!("{} × {:?} × {:?}", self.function, self.resource, self.peer)
    }
}

/// The first halves of pairs: all services of the host for a guest.
pub fn subjects() -> Vec<String> {
    let functions = contract::functions().into_iter().map(|function| function.name);
    functions.chain(WASI.iter().map(|function| format!("wasi.{function}"))).collect()
}

/// Every function with every resource, and every behaviour of a peer with every resource.
pub fn all() -> Vec<Pair> {
    let mut all = Vec::new();
    for resource in HostResource::ALL {
        for function in subjects() {
            all.push(Pair { function, resource, peer: PeerBehaviour::Waits });
        }
        for peer in PeerBehaviour::ALL.into_iter().filter(|it| *it != PeerBehaviour::Waits) {
            all.push(Pair { function: "sockets.send-data".to_owned(), resource, peer });
        }
    }
    all
}

/// A random pair: any function, with any resource and any peer.
pub fn any(subjects: &[String], mut below: impl FnMut(usize) -> usize) -> Pair {
    Pair {
        function: subjects[below(subjects.len())].clone(),
        resource: HostResource::ALL[below(HostResource::ALL.len())],
        peer: PeerBehaviour::ALL[below(PeerBehaviour::ALL.len())],
    }
}

/// The guest of all pairs under this name, in a tenant of that name; its folder is made in `dir`.
pub fn attacked(config: Config, name: &str, dir: &Path) -> Config {
    let folder = dir.join(FOLDER);
    std::fs::create_dir_all(&folder).expect("a new folder");
    for number in 0..FILES {
        std::fs::write(folder.join(format!("name {number}")), "x").expect("a new file");
    }
    let plugin = Plugin::named(name, &crate::component(GUEST))
        .allow("read", &[&format!("./{FOLDER}")])
        .may_connect(&["127.0.0.1:9"])
        .allow("listen", &["127.0.0.1:*", "udp:127.0.0.1:*"])
        .limit("connections", "16")
        .limit("cpu_per_event", "\"50ms\"")
        .limit("event_deadline", "\"2s\"")
        .limit("cpu_per_operation", "\"20ms\"")
        .limit("processes", "20")
        .limit("traps", "1000000");
    config.plugin(plugin).listen(Listen::tcp(name))
}

/// Connects, has the guest do it, and leaves; true if the peer has received anything, even if it is the end.
pub fn attack(address: &str, pair: &Pair, answer_max: Duration) -> bool {
    let address = address.strip_prefix("tcp://").expect("a TCP address");
    meet(address, pair, answer_max).unwrap_or(true)
}

fn meet(address: &str, pair: &Pair, answer_max: Duration) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(answer_max))?;
    stream.set_write_timeout(Some(answer_max))?;
    let line = pair.line();
    match pair.peer {
        PeerBehaviour::Drips => {
            for byte in line.as_bytes() {
                stream.write_all(&[*byte])?;
            }
        }
        PeerBehaviour::NeverReads => {
            for _ in 0..100 {
                stream.write_all(line.as_bytes())?;
            }
            return Ok(true);
        }
        _ => stream.write_all(line.as_bytes())?,
    }
    match pair.peer {
        PeerBehaviour::Resets => {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            return Ok(true);
        }
        PeerBehaviour::HalfCloses => stream.shutdown(Shutdown::Write)?,
        _ => {}
    }
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(count) if count == 0 || buffer[..count].contains(&b'\n') => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
