//! Proxying: the plugin `proxy` beside HAProxy and nginx, each in front of the native echo.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::{
    contest::{Contestant, Files, GENERATOR_CORE, Options, Running, SERVER_CORE, Work},
    listening::Listening,
    load::{self, Load},
    native,
    report::exit_code,
    sys,
};

/// Connections in ping-pong.
const CONNECTIONS: usize = 50;
/// Where Debian has it, which is on nobody's path but root's.
const HAPROXY: &str = "/usr/sbin/haproxy";

/// Proxying: the sandboxed load balancer beside HAProxy and nginx, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "proxy")]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options<Kind>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Mode {
    /// The server behind them, until it is killed.
    Serve {
        /// Where to listen.
        address: SocketAddr,
    },
}

/// One of the proxies, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// HAProxy in TCP mode, one thread.
    Haproxy,
    /// nginx's `stream`, one worker.
    Nginx,
    /// The plugin `proxy`.
    Plugin,
}

impl Contestant for Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Haproxy => "haproxy",
            Kind::Nginx => "nginx",
            Kind::Plugin => "plugin",
        }
    }

    fn missing(self) -> Option<&'static str> {
        match self {
            Kind::Haproxy => {
                let mut command = Command::new(haproxy());
                let found = command.arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
                (!found.is_ok_and(|status| status.success()))
                    .then_some("HAProxy is missing (Debian: apt-get install haproxy)")
            }
            Kind::Nginx => crate::nginx::missing(),
            Kind::Plugin => None,
        }
    }
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { mode, options } = Cli::parse();
    exit_code(match mode {
        Some(Mode::Serve { address }) => native::serve(address, || native::Echo),
        None => run(&options),
    })
}

fn run(options: &Options<Kind>) -> Result<()> {
    let mut contest = options.begin()?;
    sys::stay_here_on_core(GENERATOR_CORE)?;
    let of = |title, unit| Work { title, unit, bases: &[Kind::Haproxy, Kind::Nginx] };
    let small = load::Work::small(CONNECTIONS);
    contest.run(of("64 B x 50 connections, ping-pong", "msg"), |kind, files| {
        Proxied::start(kind, files, small)
    })?;
    contest
        .run(of("64 KiB x 4 connections, 4 messages in flight on each", "msg"), |kind, files| {
            Proxied::start(kind, files, load::Work::bulk())
        })?;
    contest.run(of("connect, 64 B, reply, close; 8 at a time", "conn"), |kind, files| {
        Proxied::start(kind, files, load::Work::accept())
    })
}

/// A proxy, the server behind it, and what its clients do.
struct Proxied {
    load: Box<dyn Load>,
    proxy: Listening,
    behind: Listening,
}

impl Proxied {
    fn start(kind: Kind, files: &Files, work: load::Work) -> Result<Proxied> {
        let behind = Listening::start(GENERATOR_CORE, |_, address| Ok(files.native(address)))?;
        let make =
            |dir: &Path, address: SocketAddr| command(kind, files, dir, address, behind.address);
        let proxy = Listening::start(SERVER_CORE, make)?;
        Ok(Proxied { load: work.start(proxy.address)?, proxy, behind })
    }
}

impl Running for Proxied {
    fn servers(&self) -> Vec<&Listening> {
        vec![&self.proxy]
    }

    fn behind(&self) -> Vec<&Listening> {
        vec![&self.behind]
    }

    fn work(&mut self, time: Duration) -> Result<f64> {
        Ok(self.load.run(time, false)?.messages as f64)
    }
}

fn haproxy() -> &'static str {
    if Path::new(HAPROXY).exists() { HAPROXY } else { "haproxy" }
}

fn command(
    kind: Kind,
    files: &Files,
    dir: &Path,
    address: SocketAddr,
    behind: SocketAddr,
) -> Result<Command> {
    match kind {
        Kind::Nginx => {
            let server =
                format!("server {{ listen {address} backlog=4096; proxy_pass {behind}; }}");
            crate::nginx::stream(dir, &server)
        }
        Kind::Haproxy => {
            let config = format!(
                "global\n    nbthread 1\n    maxconn 4000\ndefaults\n    mode tcp\n    \
                 timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
                 listen echo\n    bind {address} backlog 4096\n    server echo {behind}\n"
            );
            let file = dir.join("haproxy.cfg");
            fs::write(&file, config)?;
            let mut command = Command::new(haproxy());
            command.arg("-db").arg("-f").arg(file);
            Ok(command)
        }
        Kind::Plugin => {
            let plugin = format!(
                "isolation = \"plugin\"\nallow = {{ connect = [\"{behind}\"] }}\n\
                 options = {{ targets = \"{behind}\" }}"
            );
            files.sandboxed(dir, "proxy", &plugin, &format!("address = \"tcp://{address}\""))
        }
    }
}
