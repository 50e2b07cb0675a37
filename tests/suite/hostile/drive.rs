//! The peers of an attack, which come again and again, and the echo beside them.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sandloop_tests::{Host, Peer};

use super::attacks::Peers;

/// A server that lets everybody in and never reads.
#[derive(Debug)]
pub struct IdleServer {
    address: String,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Connections that it keeps open; the oldest goes when another one comes.
const KEPT: usize = 64;

impl IdleServer {
    pub fn start() -> IdleServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let ends = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let ends = ends.clone();
            move || {
                let mut kept = VecDeque::new();
                for stream in listener.incoming() {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    kept.extend(stream);
                    kept.drain(..kept.len().saturating_sub(KEPT));
                }
            }
        });
        IdleServer { address, ends, thread: Some(thread) }
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for IdleServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // It waits for somebody; where nobody gets in it has ended.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How long a peer waits for an answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// Comes, does what peers do, and goes, until it is told to stop; how often it came.
pub fn attack(address: &str, peers: Peers, stop: &AtomicBool) -> u32 {
    let address = address.strip_prefix("tcp://").expect("a TCP address");
    let mut times = 0;
    while !stop.load(Ordering::Relaxed) {
        // What it meets is the host's business, not this one's: refusals, resets and silence are all right.
        let _ = once(address, peers);
        times += 1;
    }
    times
}

/// Comes, does what peers do, and goes.
pub fn attack_once(address: &str, peers: Peers) {
    let _ = once(address.strip_prefix("tcp://").expect("a TCP address"), peers);
}

fn once(address: &str, peers: Peers) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"x\n")?;
    match peers {
        Peers::Ask => {
            let mut buffer = [0; 4096];
            // The answer, and the end.
            while stream.read(&mut buffer)? != 0 && buffer[0] != b'd' {}
        }
        Peers::NeverRead => thread::park_timeout(PATIENCE),
    }
    Ok(())
}

/// The 99th percentile of so many echoes.
pub fn p99(peer: &mut Peer, count: usize) -> Duration {
    let mut times: Vec<Duration> =
        (0..count).map(|_| peer.time_echo(b"how long does this take?")).collect();
    times.sort_unstable();
    times[count * 99 / 100]
}

/// How many descriptors the host has open.
pub fn descriptors(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).expect("the host runs").count()
}

/// Waits, an echo at a time, until the host has no more descriptors open than before.
pub fn wait_descriptors(host: &Host, echo: &mut Peer, before: usize) -> Result<(), String> {
    let begun = Instant::now();
    while before < descriptors(host) {
        if sandloop_tests::PATIENCE < begun.elapsed() {
            return Err(format!("{} descriptors are open, not {before}", descriptors(host)));
        }
        echo.expect_echo("still here\n");
    }
    Ok(())
}
