//! The peers of an attack, which come repeatedly, and the echo beside them.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::attacks::{Attack, Peers};
use crate::{Config, Host, Listen, Peer, Plugin, StubServer, process};

/// The connections that an idle server keeps open; a new one replaces the oldest.
const KEPT: usize = 64;

/// A server that accepts every connection and never reads.
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

/// Like [`attacked_host`], with the host's keys from `config`.
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

/// Attacks, and again until it is told to stop; returns how often. On a busy machine it may be told before it has begun.
pub fn attack(address: &str, peers: Peers, stop: &AtomicBool) -> u32 {
    let address = address.strip_prefix("tcp://").expect("a TCP address");
    let mut times = 0;
    loop {
        // Refusals, resets and silence are all right: the host's behaviour is checked elsewhere.
        let _ = once(address, peers, ANSWER_MAX);
        times += 1;
        if stop.load(Ordering::Relaxed) {
            return times;
        }
    }
}

/// Repeats the attack until connections are refused; `times` counts the repetitions.
pub fn attack_until_refused(address: &str, peers: Peers, times: &AtomicU32) {
    let address = address.strip_prefix("tcp://").expect("a TCP address");
    while TcpStream::connect(address).is_ok() {
        let _ = once(address, peers, ANSWER_MAX);
        times.fetch_add(1, Ordering::Relaxed);
    }
}

/// Attacks once.
pub fn attack_once(address: &str, peers: Peers) {
    attack_for(address, peers, ANSWER_MAX);
}

/// Like [`attack_once`], but waits this long for an answer.
pub fn attack_for(address: &str, peers: Peers, answer_max: Duration) {
    let _ = once(address.strip_prefix("tcp://").expect("a TCP address"), peers, answer_max);
}

fn once(address: &str, peers: Peers, answer_max: Duration) -> std::io::Result<()> {
    match peers {
        Peers::Ask => {
            let (mut stream, mut buffer) = (ask(address, answer_max)?, [0; 4096]);
            // The answer, and the end.
            while stream.read(&mut buffer)? != 0 && buffer[0] != b'd' {}
        }
        Peers::NeverRead => {
            let _stream = ask(address, answer_max)?;
            thread::park_timeout(answer_max);
        }
        Peers::LeaveTogether(count) => drop(crowd(address, count, answer_max)),
        Peers::ReadTogether(count) => drain(crowd(address, count, answer_max), answer_max),
    }
    Ok(())
}

fn ask(address: &str, answer_max: Duration) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(answer_max))?;
    stream.write_all(b"x\n")?;
    Ok(stream)
}

/// `count` connections that have sent their requests, each of which has got something, has ended, or has waited for long
/// enough.
fn crowd(address: &str, count: usize, answer_max: Duration) -> Vec<TcpStream> {
    let crowd: Vec<_> = (0..count).filter_map(|_| ask(address, answer_max).ok()).collect();
    let begun = Instant::now();
    for stream in &crowd {
        // All of them together wait no longer than one would.
        let left = answer_max.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
        let _ = stream.set_read_timeout(Some(left)).and_then(|()| stream.peek(&mut [0]));
    }
    crowd
}

/// Reads from all of them in turn, until nothing has come from any for some time.
fn drain(mut crowd: Vec<TcpStream>, answer_max: Duration) {
    let (mut buffer, mut since) = (vec![0; 65536], Instant::now());
    for stream in &crowd {
        let _ = stream.set_nonblocking(true);
    }
    while since.elapsed() < answer_max && !crowd.is_empty() {
        let begun = Instant::now();
        crowd.retain_mut(|stream| match stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(_) => {
                since = Instant::now();
                true
            }
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        });
        if since < begun {
            crate::pause();
        }
    }
}

/// The number of descriptors that the host has open.
pub fn descriptors(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).expect("the host runs").count()
}

/// The number of connections that wait for the host to accept them.
fn unaccepted(host: &Host) -> usize {
    let links = fs::read_dir(format!("/proc/{}/fd", host.pid())).expect("the host runs");
    let targets = links.flatten().filter_map(|link| fs::read_link(link.path()).ok());
    let sockets: HashSet<String> = targets.map(|target| target.display().to_string()).collect();
    let table = fs::read_to_string(format!("/proc/{}/net/tcp", host.pid())).expect("it has TCP");
    table.lines().filter_map(|line| backlog(line, &sockets)).sum()
}

/// The connections that wait at a socket of the system's table, if it listens and is one of these; the fields are those of
/// `proc_net_tcp`: 3 is the state, 4 has the backlog of one that listens behind its colon, 9 is the socket's number.
fn backlog(line: &str, sockets: &HashSet<String>) -> Option<usize> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (state, queues, number) = (fields.get(3)?, fields.get(4)?, fields.get(9)?);
    let is_meant = *state == "0A" && sockets.contains(&format!("socket:[{number}]"));
    let (_, waiting) = queues.split_once(':')?;
    is_meant.then(|| usize::from_str_radix(waiting, 16).ok()).flatten()
}

/// The memory that the host has more than `before`, in bytes, once it is less than `max`, or after [`PATIENCE`](crate::PATIENCE):
/// what is kept for the next sandboxes is given back between events, and by threads of a low priority.
pub fn memory_left(host: &Host, echo: &mut Peer, before: u64, max: u64) -> u64 {
    let begun = Instant::now();
    loop {
        let left = process::resident(host.pid()).saturating_sub(before);
        if left < max || crate::PATIENCE < begun.elapsed() {
            return left;
        }
        echo.expect_echo("still here\n");
        crate::pause();
    }
}

/// Waits, with an echo at each look, until the host has no more descriptors open than before.
///
/// # Errors
/// It still has more, and for as long as [`PATIENCE`](crate::PATIENCE) none was closed and no connection accepted: calls of
/// hostile handlers continue in threads of a low priority, which a busy machine gives little time, and peers that have left
/// long ago still wait to be accepted behind them.
pub fn wait_descriptors(host: &Host, echo: &mut Peer, before: usize) -> Result<(), String> {
    wait_descriptors_for(host, echo, before, crate::PATIENCE)
}

/// Like [`wait_descriptors`], but waits `patience` for the next one to be closed.
///
/// # Errors
/// As for [`wait_descriptors`].
pub fn wait_descriptors_for(
    host: &Host,
    echo: &mut Peer,
    before: usize,
    patience: Duration,
) -> Result<(), String> {
    let (mut least, mut queued, mut since) = (usize::MAX, usize::MAX, Instant::now());
    loop {
        let open = descriptors(host);
        // The kernel's table takes long to read: it is read where the descriptors alone do not decide.
        if open <= before && unaccepted(host) == 0 {
            return Ok(());
        }
        if open < least {
            (least, since) = (open, Instant::now());
        }
        if patience < since.elapsed() {
            let waiting = unaccepted(host);
            if queued <= waiting {
                return Err(format!(
                    "{open} descriptors are open, not {before}; {waiting} peers wait"
                ));
            }
            (queued, since) = (waiting, Instant::now());
        }
        echo.expect_echo("still here\n");
        crate::pause();
    }
}
