//! UDP: the echo of datagrams beside a native one.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use mio::{Events, Interest, Poll, Token};
use serde::Serialize;

use crate::{
    contest::{Contestant, Files, GENERATOR_CORE, Options, Running, SERVER_CORE, Work},
    listening::Listening,
    load::SMALL_BYTES,
    report::exit_code,
    sys,
};

/// Sockets in ping-pong.
const SOCKETS: usize = 50;
/// A datagram that has no answer for so long is lost, and is sent again.
const LOST: Duration = Duration::from_millis(200);
/// Datagrams that the native server takes before it looks at the poll again.
const BATCH: usize = 256;

/// UDP: the sandboxed echo of datagrams beside a native one, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "udp")]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options<Kind>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Mode {
    /// The native server alone, until it is killed.
    Serve {
        /// Where to wait for datagrams.
        address: SocketAddr,
    },
}

/// One of the servers, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// mio, no sandbox.
    Native,
    /// The sandbox host, one instance for all peers.
    Plugin,
    /// The sandbox host, one instance for each peer.
    Connection,
}

impl Contestant for Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Native => "native",
            Kind::Plugin => "plugin",
            Kind::Connection => "connection",
        }
    }
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { mode, options } = Cli::parse();
    exit_code(match mode {
        Some(Mode::Serve { address }) => serve(address),
        None => run(&options),
    })
}

fn run(options: &Options<Kind>) -> Result<()> {
    let mut contest = options.begin()?;
    sys::stay_here_on_core(GENERATOR_CORE)?;
    let work =
        Work { title: "UDP, 64 B x 50 sockets, ping-pong", unit: "msg", bases: &[Kind::Native] };
    contest.run(work, Pinging::start)
}

/// One socket, datagrams one after the other.
fn serve(address: SocketAddr) -> Result<()> {
    let mut socket = mio::net::UdpSocket::bind(address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    let mut events = Events::with_capacity(1);
    let mut buffer = vec![0; 1 << 16];
    loop {
        poll.poll(&mut events, None)?;
        while serve_batch(&socket, &mut buffer) {}
    }
}

/// Whether there may be more.
fn serve_batch(socket: &mio::net::UdpSocket, buffer: &mut [u8]) -> bool {
    for _ in 0..BATCH {
        let Ok((length, peer)) = socket.recv_from(buffer) else { return false };
        // Whoever does not hear it asks again.
        _ = socket.send_to(&buffer[..length], peer);
    }
    true
}

/// Sockets that each wait for their answer.
struct Pinging {
    server: Listening,
    poll: Poll,
    events: Events,
    sockets: Vec<Pinger>,
}

struct Pinger {
    socket: mio::net::UdpSocket,
    message: [u8; SMALL_BYTES],
    sequence: u64,
    sent: Instant,
}

impl Pinging {
    fn start(kind: Kind, files: &Files) -> Result<Pinging> {
        let make = |dir: &Path, address: SocketAddr| match kind {
            Kind::Native => Ok(files.native(address)),
            Kind::Plugin | Kind::Connection => {
                let plugin = format!("isolation = \"{}\"", kind.name());
                files.sandboxed(dir, "echo", &plugin, &format!("address = \"udp://{address}\""))
            }
        };
        let server = Listening::start_until(SERVER_CORE, make, answers)?;
        let poll = Poll::new()?;
        let mut sockets = Vec::with_capacity(SOCKETS);
        for index in 0..SOCKETS {
            let mut socket = mio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
            socket.connect(server.address)?;
            poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;
            let mut message = [0x5a; SMALL_BYTES];
            message[..8].copy_from_slice(&index.to_le_bytes());
            let mut pinger = Pinger { socket, message, sequence: 0, sent: Instant::now() };
            pinger.send()?;
            sockets.push(pinger);
        }
        Ok(Pinging { server, poll, events: Events::with_capacity(SOCKETS), sockets })
    }
}

/// Whether a datagram comes back.
fn answers(address: SocketAddr) -> bool {
    let asked = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        socket.send(b"?")?;
        socket.recv(&mut [0; 8])
    };
    asked().is_ok()
}

impl Running for Pinging {
    fn servers(&self) -> Vec<&Listening> {
        vec![&self.server]
    }

    fn work(&mut self, time: Duration) -> Result<f64> {
        let (begun, mut messages) = (Instant::now(), 0_u64);
        while begun.elapsed() < time {
            match self.poll.poll(&mut self.events, Some(LOST / 4)) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                _ => {}
            }
            for event in &self.events {
                messages += self.sockets[event.token().0].advance()?;
            }
            let now = Instant::now();
            for pinger in &mut self.sockets {
                if LOST < now.saturating_duration_since(pinger.sent) {
                    pinger.send()?;
                }
            }
        }
        ensure!(0 < messages, "nothing came back");
        Ok(messages as f64)
    }
}

impl Pinger {
    /// Takes all answers; one to an older question says nothing new.
    fn advance(&mut self) -> Result<u64> {
        let (mut buffer, mut taken) = ([0; SMALL_BYTES + 1], 0);
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) if buffer[..length] == self.message => {
                    taken += 1;
                    self.send()?;
                }
                Ok(length) => ensure!(length == SMALL_BYTES, "the reply differs from the message"),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(error).context("waiting for a reply"),
            }
        }
    }

    fn send(&mut self) -> Result<()> {
        self.sequence += 1;
        self.message[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        self.sent = Instant::now();
        self.socket.send(&self.message).context("sending a message")?;
        Ok(())
    }
}
