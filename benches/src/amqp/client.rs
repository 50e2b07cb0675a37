//! The clients compared, and one run of each: from a queue that is declared to the last acknowledgement.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use sandloop_tests::paths::python_with;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{CLIENT_CORE, Work, broker::Broker};
use crate::{machine, sys};

/// pika's side of the comparison; part of the binary, so that it runs from anywhere.
const PIKA: &str = include_str!("../../peers/amqp.py");

/// One of the clients, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The guest `amqp_load`, in a sandbox.
    Plugin,
    /// Python's pika, with its fastest kind of connection.
    Pika,
}

impl Kind {
    /// Every client.
    pub const ALL: &[Kind] = &[Kind::Plugin, Kind::Pika];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plugin => "plugin",
            Kind::Pika => "pika",
        }
    }

    /// What its last line begins with.
    fn last_word(self) -> &'static str {
        match self {
            Kind::Plugin => "done ",
            Kind::Pika => "{",
        }
    }

    /// Looks whether all messages came, as the last line says, and in order.
    fn check(self, done: &str, work: &Work, spent: Run) -> Result<Run> {
        if self == Kind::Plugin {
            let all = format!("received={} again=0 missing=0", work.messages);
            ensure!(done.ends_with(&all), "it says `{done}`, and not `{all}`");
            return Ok(spent);
        }
        // It ends where one is missing or out of order, and may have ended before its clock could be read.
        let told: Told = serde_json::from_str(done).with_context(|| format!("it says `{done}`"))?;
        ensure!(told.messages == work.messages, "it says `{done}`");
        Ok(Run { client: Duration::from_secs_f64(told.cpu_seconds), ..spent })
    }
}

/// What pika says at its end.
#[derive(Debug, Deserialize)]
struct Told {
    messages: u64,
    /// Of its process, all threads.
    cpu_seconds: f64,
}

/// Where the files are that the clients need.
#[derive(Debug)]
pub struct Paths {
    host: PathBuf,
    component: PathBuf,
    python: &'static str,
}

impl Paths {
    /// Finds them; an absent file is named with the command that makes it.
    pub fn find(host: &Path, component: &Path) -> Result<Paths> {
        let present = |path: &Path| {
            let remedy = "`cargo xtask plugins` makes it";
            path.canonicalize().with_context(|| format!("{} is missing: {remedy}", path.display()))
        };
        Ok(Paths {
            host: present(host)?,
            component: present(component)?,
            python: python_with("pika"),
        })
    }

    /// The versions of pika and of its Python.
    pub fn pika_version(&self) -> Result<String> {
        let script = "import pika, platform; print(pika.__version__, ', python ', platform.python_version(), sep='')";
        let output = Command::new(self.python).args(["-c", script]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// What one run took, from a queue that is declared to the last confirm and acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// As a clock on the wall has it.
    pub wall: Duration,
    /// CPU time of the client, all its threads.
    pub client: Duration,
    /// Of the broker.
    pub broker: Duration,
    /// Of the whole machine.
    pub machine: Duration,
}

/// What a client may take before its first word, and how slow it may be: broken, not slow.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const MESSAGES_PER_SECOND_LEAST: u64 = 500;

/// All messages once, through a virtual host of their own.
pub fn run(kind: Kind, work: &Work, broker: &Broker, paths: &Paths) -> Result<Run> {
    broker.with_vhost(|uri| {
        let dir = TempDir::new().context("a scratch folder")?;
        let command = command(kind, work, paths, (uri, &broker.address()), dir.path())?;
        let mut client = Client::start(command)?;
        client.wait(|line| line == "begin", START_TIMEOUT)?;
        let before = Clocks::read(&client, broker)?;
        let slowest =
            START_TIMEOUT + Duration::from_secs(work.messages / MESSAGES_PER_SECOND_LEAST);
        let done = client.wait(|line| line.starts_with(kind.last_word()), slowest)?;
        let spent = Clocks::read(&client, broker)?.since(&before);
        kind.check(&done, work, spent)
    })
}

/// The command that starts a client at this URI and address.
fn command(
    kind: Kind,
    work: &Work,
    paths: &Paths,
    (uri, address): (&str, &str),
    dir: &Path,
) -> Result<Command> {
    let Work { messages, bytes, window, prefetch } = work;
    let mut command = match kind {
        Kind::Plugin => {
            let toml = format!(
                "[host]\nreactors = 1\n\n[plugins.amqp-load]\ncomponent = \"{}\"\nisolation = \"plugin\"\n\
                 stdout = \"inherit\"\n\n[plugins.amqp-load.allow]\nconnect = [\"{address}\"]\n\n\
                 [plugins.amqp-load.options]\nuri = \"{uri}\"\ncount = \"{messages}\"\nsize = \"{bytes}\"\n\
                 window = \"{window}\"\nprefetch = \"{prefetch}\"\n",
                paths.component.display(),
            );
            let file = dir.join("plugins.toml");
            fs::write(&file, toml).with_context(|| format!("writing {}", file.display()))?;
            let mut command = Command::new(&paths.host);
            // What goes wrong is said, and nothing else.
            command.arg("run").arg(file).env("SANDLOOP_LOG", "warn");
            command
        }
        Kind::Pika => {
            let mut command = Command::new(paths.python);
            command.args(["-c", PIKA, uri, &messages.to_string()]);
            for (name, value) in
                [("--bytes", bytes), ("--window", window), ("--prefetch", prefetch)]
            {
                command.arg(name).arg(value.to_string());
            }
            command
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    sys::die_with_parent(&mut command);
    sys::stay_on_core(&mut command, CLIENT_CORE);
    Ok(command)
}

/// A client that runs; dropping it kills it.
#[derive(Debug)]
struct Client {
    child: Child,
    lines: Receiver<String>,
}

impl Client {
    fn start(mut command: Command) -> Result<Client> {
        let program = command.get_program().to_owned();
        let mut child =
            command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let stdout = child.stdout.take().context("the child's stdout")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Nobody listens after the last.
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Ok(Client { child, lines })
    }

    /// Waits for a line; another one that tells of a failure ends the run.
    fn wait(&mut self, is_it: impl Fn(&str) -> bool, time: Duration) -> Result<String> {
        let end = Instant::now() + time;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if is_it(&line) => return Ok(line),
                Ok(line) => ensure!(!line.starts_with("failed"), "it says `{line}`"),
                Err(RecvTimeoutError::Timeout) => bail!("it says nothing in {time:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended: {}", self.child.wait()?),
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The clocks at one moment.
struct Clocks {
    wall: Instant,
    client: Duration,
    broker: Duration,
    machine: Duration,
}

impl Clocks {
    fn read(client: &Client, broker: &Broker) -> Result<Clocks> {
        Ok(Clocks {
            wall: Instant::now(),
            client: sys::cpu_time(client.child.id())?,
            broker: broker.cpu_time()?,
            machine: machine::busy()?,
        })
    }

    fn since(&self, before: &Clocks) -> Run {
        Run {
            wall: self.wall.saturating_duration_since(before.wall),
            client: self.client.saturating_sub(before.client),
            broker: self.broker.saturating_sub(before.broker),
            machine: self.machine.saturating_sub(before.machine),
        }
    }
}
