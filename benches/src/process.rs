//! A measured server: a child process that is started, watched and ended by its id.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStderr, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    record::Memory,
    subject::{Paths, Start, Subject},
    sys,
};

/// The core for the server; the generator has the next. On a machine with one they share it.
const SERVER_CORE: usize = 0;
/// The generator's core.
pub const GENERATOR_CORE: usize = 1;

/// Long enough to compile a component on a busy machine with a cold cache.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Kept of what a server says, for the report of its failure.
const LINES_MAX: usize = 30;
const ADDRESS: &str = "tcp://127.0.0.1:";

/// A server that listens; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// What it is.
    pub subject: Subject,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts the server and waits for the line that names its port.
    pub fn start(subject: Subject, paths: &Paths, room: Option<usize>) -> Result<Self> {
        let Start { mut command, port } = subject.start(paths, room)?;
        sys::die_with_parent(&mut command);
        sys::stay_on_core(&mut command, SERVER_CORE);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let program = command.get_program().to_owned();
        let mut child =
            command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let stderr = child.stderr.take().context("the child's stderr")?;
        let (sender, receiver) = mpsc::channel();
        let lines = Arc::default();
        let kept = Arc::clone(&lines);
        thread::spawn(move || keep_lines(stderr, &sender, &kept));

        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { subject, address: unknown, child, lines };
        if let Some(port) = port {
            server.address.set_port(port);
            return server.listening();
        }
        match receiver.recv_timeout(START_TIMEOUT) {
            Ok(port) => server.address.set_port(port),
            Err(RecvTimeoutError::Timeout) => bail!("{}", server.failure("named no port in time")),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("{}", server.failure("ended at its start"))
            }
        }
        Ok(server)
    }

    /// Once it lets somebody in.
    fn listening(mut self) -> Result<Self> {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if self.child.try_wait()?.is_some() {
                bail!("{}", self.failure("ended at its start"));
            }
            if START_TIMEOUT < begun.elapsed() {
                bail!("{}", self.failure("does not listen"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(self)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time it has used so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        sys::cpu_time(self.child.id())
    }

    /// The same in ticks, of its own code and of the kernel.
    pub fn cpu_ticks(&self) -> Result<(u64, u64)> {
        sys::cpu_ticks(self.child.id())
    }

    /// Its memory now.
    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.child.id())
    }

    /// The server's name, what went wrong with it, and the last it said.
    pub fn failure(&mut self, what: &str) -> String {
        // A process that is ending gets the time to say why.
        thread::sleep(Duration::from_millis(100));
        let state = match self.child.try_wait() {
            Ok(Some(status)) => format!("it has ended: {status}"),
            _ => "it is still running".to_owned(),
        };
        let lines = self.lines.lock().map(|lines| Vec::from(lines.clone())).unwrap_or_default();
        let name = self.subject.name();
        format!("{name} {what}; {state}; its last lines:\n  {}", lines.join("\n  "))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Reads to the end, so that the server never waits for us; sends the first port named.
fn keep_lines(stderr: ChildStderr, port: &Sender<u16>, kept: &Mutex<VecDeque<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Some(Ok(line)) = lines.next() {
        if let Some(found) = serving_port(&line) {
            // Nobody listens after the first.
            _ = port.send(found);
        }
        let Ok(mut kept) = kept.lock() else { return };
        if kept.len() == LINES_MAX {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// The port in `… serving address=tcp://127.0.0.1:PORT`, whatever colours and fields surround it.
fn serving_port(line: &str) -> Option<u16> {
    if !line.contains("serving") {
        return None;
    }
    let rest = &line[line.find(ADDRESS)? + ADDRESS.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|&port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::serving_port;

    #[test]
    fn the_port_is_found_in_a_log_line() {
        let check = |line, port| assert_eq!(serving_port(line), port, "{line}");
        check("serving address=tcp://127.0.0.1:4711", Some(4711));
        check("2026 INFO sandloop: serving address=tcp://127.0.0.1:1 plugin=\"echo\"", Some(1));
        check("serving \u{1b}[3maddress\u{1b}[0m=tcp://127.0.0.1:65535\u{1b}[0m", Some(65535));
        check("serving address=tcp://127.0.0.1:0", None);
        check("serving address=unix:///tmp/x.sock", None);
        check("connecting address=tcp://127.0.0.1:4711", None);
        check("serving address=tcp://127.0.0.1:99999", None);
    }
}
