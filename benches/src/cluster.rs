//! Messages of a channel from one host to another, beside the same within one host and beside a bare program over `async-nats`.
//!
//! One end pushes within a window, the other acknowledges: so nothing is lost, and both ends do the same in each contestant, by the
//! commands of the guest `cluster_load`.

mod bare;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use sandloop_tests::nats;
use serde::Serialize;

use crate::{
    contest::{Contestant, Files, GENERATOR_CORE, Latency, Options, Running, SERVER_CORE, Work},
    listening::Listening,
    report::exit_code,
};

/// Bytes of a message.
const BYTES: u64 = 64;
/// Messages that may be on their way, and after how many the other end acknowledges.
const STREAM: Window = Window { size: 1000, every: 100 };
/// One at a time.
const PING_PONG: Window = Window { size: 1, every: 1 };
/// How long an end may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A message to a subscriber that is not known yet is lost: another one follows.
const PROBE: Duration = Duration::from_millis(50);

/// Messages between two hosts of a cluster: beside one host, and beside a bare program, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "cluster")]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options<Kind>,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// One end of the bare program, until it is killed.
    Serve {
        /// Where it takes commands.
        address: SocketAddr,
        /// The NATS server.
        nats: SocketAddr,
    },
}

/// One of those that are compared, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Two processes of a program with `async-nats`, no sandbox.
    Bare,
    /// Two sandbox hosts of one cluster.
    Hosts,
    /// Both ends in one sandbox host, without NATS.
    OneHost,
}

impl Contestant for Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Bare => "bare",
            Kind::Hosts => "hosts",
            Kind::OneHost => "one-host",
        }
    }

    fn missing(self) -> Option<&'static str> {
        let needs_nats = self != Kind::OneHost;
        (needs_nats && nats::program().is_none())
            .then_some("there is no nats-server: install Debian's package of that name")
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    size: u64,
    every: u64,
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { mode, options } = Cli::parse();
    exit_code(match mode {
        Some(Mode::Serve { address, nats }) => bare::serve(address, nats),
        None => run(&options),
    })
}

fn run(options: &Options<Kind>) -> Result<()> {
    let mut contest = options.begin()?;
    let work = |title, unit| Work { title, unit, bases: &[Kind::Bare, Kind::OneHost] };
    let stream = work("64 B on one channel, 1,000 on their way, each 100th acknowledged", "msg");
    contest.run(stream, |kind, files| Relaying::start(kind, files, STREAM))?;
    let ping_pong = work("64 B on one channel, there and back, one at a time", "pair");
    contest.run(ping_pong, |kind, files| Relaying::start(kind, files, PING_PONG))
}

/// Two ends between which messages go.
struct Relaying {
    pusher: Listening,
    /// Where the other end is, if it has a process of its own.
    receiver: Option<Listening>,
    nats: Option<Listening>,
    control: Control,
    /// The other end's, which lives as long as this.
    _receives: Control,
    latency: Option<Latency>,
}

impl Relaying {
    fn start(kind: Kind, files: &Files, window: Window) -> Result<Relaying> {
        let nats = (kind != Kind::OneHost).then(start_nats).transpose()?;
        let at = nats.as_ref().map(|nats| nats.address);
        let make = |dir: &Path, address: SocketAddr| command(kind, files, at, dir, address);
        let pusher = Listening::start(SERVER_CORE, make)?;
        let receiver = at
            .map(|_| Listening::start(GENERATOR_CORE, make))
            .transpose()
            .context("the receiver")?;
        let other = receiver.as_ref().unwrap_or(&pusher);
        let Window { size, every } = window;
        let mut receives = Control::connect(other.address)?;
        let ready = receives.ask(&format!("receive {every}"))?;
        if ready != "ok" {
            bail!("the receiver answers {ready:?}");
        }
        let mut control = Control::connect(pusher.address)?;
        control.send(&format!("push {size} {every} {BYTES}"))?;
        control.begin()?;
        Ok(Relaying { pusher, receiver, nats, control, _receives: receives, latency: None })
    }
}

/// What one end is started with.
fn command(
    kind: Kind,
    files: &Files,
    nats: Option<SocketAddr>,
    dir: &Path,
    address: SocketAddr,
) -> Result<Command> {
    let cluster = match (kind, nats) {
        (Kind::Bare, Some(nats)) => {
            let mut command = files.native(address);
            command.arg(nats.to_string());
            return Ok(command);
        }
        (_, None) => String::new(),
        (_, Some(nats)) => format!(
            "\n[tenants.cluster_load]\nchannels = \"cluster\"\n\n[cluster]\nnats = [\"nats://{nats}\"]\n"
        ),
    };
    let plugin = format!("isolation = \"connection\"\n{cluster}");
    files.sandboxed(dir, "cluster_load", &plugin, &format!("address = \"tcp://{address}\""))
}

/// A server without JetStream: channels need none.
fn start_nats() -> Result<Listening> {
    let program = nats::program().context("nats-server is missing")?;
    Listening::start(GENERATOR_CORE, |_, address| {
        let mut command = Command::new(program);
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        command.args(["--addr", &ip, "--port", &port]);
        Ok(command)
    })
}

impl Running for Relaying {
    fn servers(&self) -> Vec<&Listening> {
        std::iter::once(&self.pusher).chain(&self.receiver).collect()
    }

    fn behind(&self) -> Vec<&Listening> {
        self.nats.iter().collect()
    }

    fn work(&mut self, time: Duration) -> Result<f64> {
        let before = self.control.tell()?;
        thread::sleep(time);
        let after = self.control.tell()?;
        self.latency = Some(after.latency);
        let done = after.acknowledged - before.acknowledged;
        if done == 0 {
            bail!("no message came through in {time:?}");
        }
        Ok(done as f64)
    }

    fn latency(&self) -> Option<Latency> {
        self.latency
    }
}

/// What the pushing end says.
struct Told {
    acknowledged: u64,
    latency: Latency,
}

/// A connection over which an end takes its commands.
struct Control {
    lines: BufReader<TcpStream>,
}

impl Control {
    fn connect(address: SocketAddr) -> Result<Control> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Control { lines: BufReader::new(stream) })
    }

    fn send(&mut self, command: &str) -> Result<()> {
        Ok(self.lines.get_mut().write_all(format!("{command}\n").as_bytes())?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).context("an end does not answer")?;
        Ok(line.trim_end().to_owned())
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        self.send(command)?;
        self.line()
    }

    /// Probes until the other end is heard, which begins the work.
    fn begin(&mut self) -> Result<()> {
        let mut stream = self.lines.get_ref().try_clone()?;
        stream.set_read_timeout(Some(PROBE))?;
        for _ in 0..PATIENCE.as_millis() / PROBE.as_millis() {
            stream.write_all(b"probe\n")?;
            match self.line() {
                Ok(line) if line == "there" => {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    return Ok(());
                }
                Ok(line) => bail!("the pusher says {line:?}"),
                Err(_) => {}
            }
        }
        bail!("the receiver does not hear the pusher within {PATIENCE:?}")
    }

    fn tell(&mut self) -> Result<Told> {
        let line = self.ask("tell")?;
        let numbers: Vec<u64> =
            line.split(' ').map(str::parse).collect::<Result<_, _>>().context(line.clone())?;
        let [acknowledged, median, p99, longest] = numbers[..] else { bail!("not told: {line:?}") };
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let latency =
            Latency { median: micros(median), p99: micros(p99), longest: micros(longest) };
        Ok(Told { acknowledged, latency })
    }
}
