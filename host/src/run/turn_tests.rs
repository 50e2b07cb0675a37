//! No turn does all that has piled up: a table with a row for each part of the turn and for each kind of work in it. Each row
//! has something pile up to its limit, and what the longest turn does of it is counted in pieces of bounded work.

mod flood;

use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use flood::{BACKLOG, Flood};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::engine::template::Templates;
use crate::mail::post::{Notice, StopManner};
use crate::reactor::table::change::ReactorChange;
use crate::run::stage::{PATIENCE, component};

/// Turns after which everything that is due has happened.
const TURNS_TO_SETTLE: usize = 3000;
/// The bound of a phase for a tenant. A guest is told of one thing in a few steps, of which a row says how many.
const PHASE: usize = 1_024;
/// What a turn counts beside what is piled up.
const BESIDE: usize = 300;
/// Peers of a row; the host has as many descriptors for them.
const PEERS: usize = 2_500;
/// Connections that are proxied, and those whose outboxes are full.
const PROXIED: usize = 1_100;
const FULL: usize = 60;

/// Something that piles up.
struct Row {
    /// What it is.
    what: &'static str,
    /// Parts of the turn that it keeps busy.
    parts: &'static [&'static str],
    /// The configuration.
    serves: fn() -> String,
    /// Has it pile up; says how much there is to do, in pieces.
    pile: fn(&mut Flood) -> usize,
    /// What one turn may do of it.
    most: usize,
}

const LIMITS: &str = "[plugins.p.limits]\ntimers = 100000\nticks = 100000\nsubscriptions = 100000\npops = 100000\n\
     connections = 19000\noutgoing = 10000\nprocesses = 3000\ndeferred = 20000\nwatches = 10000\nlookups = 1000\n\
     cpu_per_event = \"60s\"\nevent_deadline = \"60s\"\ncall_bytes = \"1GiB\"\nmemory = \"256MiB\"\nmailbox = \"64MiB\"\n\
     outbox_max = \"1MiB\"\n\
     [plugins.p.allow]\nspawn = [\"p\"]\nconnect = [\"127.0.0.1:*\"]\nread = [\"./data\"]\nstop = true\n\
     [tenants.p.limits]\nmessages = \"64MiB\"\nchannel = \"64MiB\"\n";

fn serving(guest: &str, isolation: &str, address: &str, listen: &str) -> String {
    let component = component(guest);
    // Nothing here is so slow that it should leave the reactor, however busy the machine is.
    format!(
        "[host]\nslice = \"100ms\"\ninstances = 4000\n[plugins.p]\n{component}\nisolation = \"{isolation}\"\ntenant = \"p\"\n\
         {LIMITS}[[listen]]\naddress = \"{address}://127.0.0.1:0\"\nplugin = \"p\"\n{listen}\n"
    )
}

fn echo() -> String {
    serving("echo", "plugin", "tcp", "")
}

fn echo_each() -> String {
    serving("echo", "connection", "tcp", "")
}

macro_rules! flood {
    ($what:literal, $isolation:literal) => {
        || {
            serving(
                "hostile_flood",
                $isolation,
                "tcp",
                concat!("options = { what = \"", $what, "\" }"),
            )
        }
    };
}

fn connects(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    PEERS
}

fn peers_leave(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    flood.peers.clear();
    PEERS
}

fn floods(flood: &mut Flood) -> usize {
    flood.flood()
}

fn floods_and_leaves(flood: &mut Flood) -> usize {
    let piled = flood.flood();
    flood.peers.clear();
    piled
}

/// The processes are there when the one that has spawned them leaves.
fn spawns_and_leaves(flood: &mut Flood) -> usize {
    let piled = flood.flood();
    flood.turns(piled / 16);
    flood.peers.clear();
    piled
}

/// Deadlines are cancelled 256 at once.
fn sets_timers_and_leaves(flood: &mut Flood) -> usize {
    floods_and_leaves(flood) / 256
}

/// The subscriber is in a call for as long as messages come to it.
fn publishes_to_the_busy(flood: &mut Flood) -> usize {
    flood.connect(1);
    flood.turns(100);
    flood.say(b"x");
    let call = flood.stage.entered(|_| true, PATIENCE).expect("it is told");
    thread::scope(|scope| {
        let made = scope.spawn(move || call.make());
        while !made.is_finished() {
            flood.turn();
        }
    });
    flood.answer()
}

fn floods_for_an_hour(flood: &mut Flood) -> usize {
    let piled = flood.flood();
    flood.advance(3600);
    piled
}

fn all_say_something(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    flood.say(b"x");
    PEERS
}

fn is_drained(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    flood.stage.carrier.post().tell(Notice::DrainPlugin(0));
    PEERS
}

fn is_stopped(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    flood.stage.carrier.post().tell(Notice::Stop(StopManner::Close));
    PEERS
}

fn tls() -> String {
    let keys = "certificate = \"cert.pem\"\nkey = \"key.pem\"";
    serving("echo", "plugin", "tls", keys)
}

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(RootCertStore::empty());
    let name = "localhost".try_into().expect("a name");
    let mut session = ClientConnection::new(Arc::new(config.with_no_client_auth()), name);
    let mut hello = Vec::new();
    let session = session.as_mut().expect("a session");
    session.write_tls(&mut hello).expect("memory");
    hello
}

fn handshakes(flood: &mut Flood) -> usize {
    flood.connect(BACKLOG);
    flood.say(&client_hello());
    BACKLOG
}

/// Whoever is behind the proxied connections.
static TARGET: LazyLock<TcpListener> =
    LazyLock::new(|| TcpListener::bind("127.0.0.1:0").expect("a port"));

fn proxying() -> String {
    let target = TARGET.local_addr().expect("an address");
    serving("proxying", "plugin", "tcp", &format!("options = {{ target = \"tcp://{target}\" }}"))
}

fn proxied_bytes(flood: &mut Flood) -> usize {
    TARGET.set_nonblocking(true).expect("a socket");
    let mut behind = Vec::new();
    while behind.len() < PROXIED {
        flood.connect((behind.len() + 100).min(PROXIED));
        flood.turn_until("the other ends", |flood| {
            while let Ok((peer, _)) = TARGET.accept() {
                behind.push(peer);
            }
            behind.len() == flood.peers.len()
        });
    }
    flood.say(&[b'x'; 100_000]);
    flood.turns(500);
    for peer in &mut behind {
        peer.set_nonblocking(true).expect("a socket");
        let _ = peer.read(&mut [0; 1 << 17]);
    }
    PROXIED
}

fn full_outboxes(flood: &mut Flood) -> usize {
    flood.connect(FULL);
    flood.say(b"x");
    flood.turns(10 * FULL);
    for _ in 0..100 {
        for peer in &mut flood.peers {
            while matches!(peer.read(&mut [0; 1 << 16]), Ok(1..)) {}
        }
        flood.turns(3);
    }
    // One more than four flushes of 256 KiB is in each.
    FULL * 4
}

fn datagrams(flood: &mut Flood) -> usize {
    let address = flood.stage.address("p");
    let peers: Vec<UdpSocket> =
        (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    let mut sent = 0;
    for _ in 0..20 {
        // As many as the system keeps.
        for peer in peers.iter().cycle().take(200) {
            peer.send_to(b"x", address).expect("a peer");
            sent += 1;
        }
        flood.turns(10);
    }
    sent
}

fn files(flood: &mut Flood) -> usize {
    flood.connect(1);
    flood.say(b"many 3000 data/name 0\n");
    flood.turns(3000);
    3000
}

fn watches(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    flood.say(b"watch data/name 0\n");
    for peer in 0..flood.peers.len() {
        flood.turn_until("a watch", |flood| flood.peers[peer].read(&mut [0; 8]).is_ok());
    }
    std::fs::write(flood.stage.folder().join("data/name 0"), "y").expect("a file");
    PEERS
}

fn deferred(flood: &mut Flood) -> usize {
    flood.connect(1);
    flood.say(b"deferred-handler.completed most\n");
    let piled = flood.answer();
    // All of it is answered before the loop turns again.
    while !flood.stage.prepared.host.jobs.is_idle() {
        thread::yield_now();
    }
    piled
}

fn slow_readers() -> String {
    let serving = serving("echo", "connection", "tcp", "");
    serving.replace("messages = ", "read_per_second = \"16KiB\"\nmessages = ")
}

fn stalled_reads(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    flood.say(&[b'x'; 16]);
    for _ in 0..5 {
        flood.turns(50);
        flood.advance(1);
    }
    PEERS
}

fn one_traps_for_all(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    let peer = flood.peers.last_mut().expect("a peer");
    peer.write_all(b"timers.add-timer trap\n").expect("a peer");
    PEERS
}

/// Its plugin is gone, and its connections are told so.
fn is_removed(flood: &mut Flood) -> usize {
    flood.connect(PEERS);
    let (taken, _) = channel();
    flood.stage.prepared.served.reactors[0].changes.send(ReactorChange {
        templates: Templates::new(vec![None]),
        tenants: 1,
        opened: Vec::new(),
        kept: Vec::new(),
        programs: Vec::new(),
        stop_deadline: Duration::from_secs(1),
        close_deadline: Duration::from_secs(1),
        taken,
    });
    PEERS
}

/// Its plugin is gone, and what it has still is not waited for.
fn is_retired(flood: &mut Flood) -> usize {
    is_removed(flood);
    flood.turns(50);
    flood.advance(3600);
    PEERS
}

/// What only a few are done of in a turn, in steps.
const PARTS_OF_FEW: &[(&str, usize)] = &[("Handshakes", 16), ("Pending", 256), ("Cancelled", 32)];

const ROWS: &[Row] = &[
    Row {
        what: "handshakes",
        parts: &["Handshakes"],
        serves: tls,
        pile: handshakes,
        most: PHASE + BESIDE,
    },
    Row {
        what: "full outboxes",
        parts: &["Writes"],
        serves: flood!("sends", "plugin"),
        pile: full_outboxes,
        most: BESIDE,
    },
    Row {
        what: "proxied bytes",
        parts: &["Reads"],
        serves: proxying,
        pile: proxied_bytes,
        most: 3 * PHASE + BESIDE,
    },
    Row {
        what: "datagrams",
        parts: &["Accepts"],
        serves: || serving("echo", "connection", "udp", ""),
        pile: datagrams,
        most: BESIDE,
    },
    Row {
        what: "files",
        parts: &["Mail"],
        serves: || serving("send_files", "plugin", "tcp", ""),
        pile: files,
        most: 5 * PHASE + BESIDE,
    },
    Row {
        what: "watches of one file",
        parts: &[],
        serves: || serving("watch", "connection", "tcp", ""),
        pile: watches,
        most: 6 * PHASE + BESIDE,
    },
    Row {
        what: "answers of deferred work",
        parts: &["Mail"],
        serves: || serving("hostile_keep", "plugin", "tcp", ""),
        pile: deferred,
        most: 4 * PHASE + BESIDE,
    },
    Row {
        what: "reads of a tenant at its rate",
        parts: &["Stalled"],
        serves: slow_readers,
        pile: stalled_reads,
        most: 6 * PHASE + BESIDE,
    },
    Row {
        what: "connections of a trap",
        parts: &["Abandoned"],
        serves: || serving("hostile_keep", "plugin", "tcp", ""),
        pile: one_traps_for_all,
        most: PHASE + BESIDE,
    },
    Row {
        what: "processes of the dead",
        parts: &["Ends"],
        serves: flood!("spawns", "connection"),
        pile: spawns_and_leaves,
        most: 3 * PHASE + BESIDE,
    },
    Row {
        what: "a retired version",
        parts: &["Overstays"],
        serves: echo_each,
        pile: is_retired,
        most: 4 * PHASE + BESIDE,
    },
    Row { what: "accepts", parts: &["Accepts"], serves: echo_each, pile: connects, most: BESIDE },
    Row {
        what: "reads",
        parts: &["Reads"],
        serves: echo,
        pile: all_say_something,
        most: 3 * PHASE + BESIDE,
    },
    Row {
        what: "ends",
        parts: &["Unbinds"],
        serves: echo_each,
        pile: peers_leave,
        most: 5 * PHASE + BESIDE,
    },
    Row {
        what: "timers",
        parts: &["Timers"],
        serves: flood!("timers", "plugin"),
        pile: floods_for_an_hour,
        most: 3 * PHASE + BESIDE,
    },
    Row {
        what: "timers of the dead",
        parts: &["Cancelled"],
        serves: flood!("timers", "connection"),
        pile: sets_timers_and_leaves,
        most: PHASE + BESIDE,
    },
    Row {
        what: "ticks",
        parts: &["Ticks"],
        serves: flood!("ticks", "plugin"),
        pile: floods,
        most: 3 * PHASE + BESIDE,
    },
    Row {
        what: "publishes",
        parts: &["Mail", "Waiting"],
        serves: flood!("publishes", "plugin"),
        pile: floods,
        most: 6 * PHASE + BESIDE,
    },
    Row {
        what: "publishes to the busy",
        parts: &["HeldBack"],
        serves: flood!("publishes", "plugin"),
        pile: publishes_to_the_busy,
        most: 6 * PHASE + BESIDE,
    },
    Row {
        what: "notifies",
        parts: &["Mail", "Waiting"],
        serves: flood!("notifies", "plugin"),
        pile: floods,
        most: 4 * PHASE + BESIDE,
    },
    Row {
        what: "connects",
        parts: &["Pending"],
        serves: flood!("connects", "plugin"),
        pile: floods,
        most: 2 * PHASE + BESIDE,
    },
    Row {
        what: "spawns",
        parts: &["Pending"],
        serves: flood!("spawns", "plugin"),
        pile: floods,
        most: PHASE + BESIDE,
    },
    Row {
        what: "log lines",
        parts: &[],
        serves: flood!("logs", "plugin"),
        pile: floods,
        most: BESIDE,
    },
    Row {
        what: "drain",
        parts: &["Draining"],
        serves: echo,
        pile: is_drained,
        most: 4 * PHASE + BESIDE,
    },
    Row {
        what: "reload",
        parts: &["Overstays", "Draining"],
        serves: echo,
        pile: is_removed,
        most: 4 * PHASE + BESIDE,
    },
    Row {
        what: "stop",
        parts: &["Draining"],
        serves: echo,
        pile: is_stopped,
        most: 4 * PHASE + BESIDE,
    },
];

/// Each phase leaves for the next turn what is over its bound, whatever has piled up for it.
#[test]
fn no_turn_does_all_that_has_piled_up() {
    let mut complaints = Vec::new();
    for Row { what, parts, serves, pile, most } in ROWS {
        let mut flood = Flood::new(&serves());
        let piled = pile(&mut flood);
        for _ in 0..TURNS_TO_SETTLE + piled / 100 {
            if !flood.turn() {
                break;
            }
        }
        let (longest, done) = (flood.longest, flood.done());
        println!("{what}: {piled}, longest {longest}, {done:?}");
        let is_of_row =
            |part: &str| !matches!(part, "Accepts" | "Waiting") || parts.contains(&part);
        let of_row = done.iter().filter(|(part, _)| is_of_row(part));
        let all: usize = of_row.map(|(_, done)| done.all).sum();
        if all.max(piled) <= *most {
            complaints.push(format!("{what}: {all} are no more than a turn may do"));
        }
        if *most < longest {
            complaints.push(format!("{what}: {longest} in one turn, of {piled}"));
        }
        for part in *parts {
            let units = done.get(*part).map_or(0, |done| done.all);
            if units < piled / 2 {
                complaints.push(format!("{what}: {part} has done {units} of {piled}"));
            }
        }
        for (part, most) in PARTS_OF_FEW {
            let units = done.get(*part).map_or(0, |done| done.longest);
            if *most < units {
                complaints.push(format!("{what}: {part} has done {units} in one turn"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A part of the turn that is new has a row.
#[test]
fn every_part_of_the_turn_has_a_row() {
    let flood = Flood::new(&echo());
    let all: BTreeSet<String> = flood.stage.carrier.units_of_parts().map(|part| part.0).collect();
    let told = ROWS.iter().flat_map(|row| row.parts).map(|part| (*part).to_owned()).collect();
    assert_eq!(all, told);
}
