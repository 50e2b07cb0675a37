//! The peers of an attack, which come again and again, and the echo beside them.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::attacks::{Attack, Peers};
use crate::{Config, Host, Listen, Peer, Plugin, StubServer};

/// Connections that an idle server keeps open; the oldest goes when another one comes.
const KEPT: usize = 64;

/// A server that lets everybody in and never reads.
pub fn idle_server() -> StubServer {
    let mut kept = VecDeque::new();
    StubServer::start(move |stream| {
        kept.push_back(stream);
        kept.drain(..kept.len().saturating_sub(KEPT));
    })
}

/// A host that serves the attacked guest as `hostile`, and an echo beside it.
pub fn attacked_host(one: &Attack) -> Host {
    attacked_host_of(one, Config::new())
}

/// The same, with what `config` says of the host.
pub fn attacked_host_of(one: &Attack, config: Config) -> Host {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = config
        .plugin(one.plugin("hostile", dir.path()))
        .plugin(Plugin::new("echo"))
        .listen(one.listen("hostile"))
        .listen(Listen::tcp("echo"));
    Host::start_in(dir, &one.tenant(config, "hostile"))
}

/// How long a peer waits for an answer.
pub const ANSWER_MAX: Duration = Duration::from_millis(100);

/// Comes, does what peers do, and goes, until it is told to stop; how often it came.
pub fn attack(address: &str, peers: Peers, stop: &AtomicBool) -> u32 {
    let address = address.strip_prefix("tcp://").expect("a TCP address");
    let mut times = 0;
    while !stop.load(Ordering::Relaxed) {
        // What it meets is the host's business, not this one's: refusals, resets and silence are all right.
        let _ = once(address, peers, ANSWER_MAX);
        times += 1;
    }
    times
}

/// Comes again and again, until nobody listens any more; `times` counts how often it came.
pub fn attack_until_refused(address: &str, peers: Peers, times: &AtomicU32) {
    let address = address.strip_prefix("tcp://").expect("a TCP address");
    while TcpStream::connect(address).is_ok() {
        let _ = once(address, peers, ANSWER_MAX);
        times.fetch_add(1, Ordering::Relaxed);
    }
}

/// Comes, does what peers do, and goes.
pub fn attack_once(address: &str, peers: Peers) {
    attack_for(address, peers, ANSWER_MAX);
}

/// The same, and waits this long for an answer.
pub fn attack_for(address: &str, peers: Peers, answer_max: Duration) {
    let _ = once(address.strip_prefix("tcp://").expect("a TCP address"), peers, answer_max);
}

fn once(address: &str, peers: Peers, answer_max: Duration) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(answer_max))?;
    stream.write_all(b"x\n")?;
    match peers {
        Peers::Ask => {
            let mut buffer = [0; 4096];
            // The answer, and the end.
            while stream.read(&mut buffer)? != 0 && buffer[0] != b'd' {}
        }
        Peers::NeverRead => thread::park_timeout(answer_max),
    }
    Ok(())
}

/// How many descriptors the host has open.
pub fn descriptors(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).expect("the host runs").count()
}

/// Waits, an echo at a time, until the host has no more descriptors open than before.
///
/// # Errors
/// It still has more, and none has gone for as long as [`PATIENCE`](crate::PATIENCE): what hostile handlers have begun goes on
/// in threads of a low priority, which a busy machine gives little time.
pub fn wait_descriptors(host: &Host, echo: &mut Peer, before: usize) -> Result<(), String> {
    let (mut least, mut since) = (usize::MAX, Instant::now());
    loop {
        let open = descriptors(host);
        if open <= before {
            return Ok(());
        }
        if open < least {
            (least, since) = (open, Instant::now());
        }
        if crate::PATIENCE < since.elapsed() {
            return Err(format!("{open} descriptors are open, not {before}"));
        }
        echo.expect_echo("still here\n");
    }
}
