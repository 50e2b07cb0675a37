//! The servers compared, and the command that starts each.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    envoy,
    host_config::{Isolation, plugins_toml},
    machine::Machine,
};

/// EventMachine's side of the comparison; part of the binary, so that it runs from anywhere.
const EVENTMACHINE: &str = include_str!("../peers/echo.rb");
/// Where `cargo xtask bench` puts lunatic and what it runs.
const LUNATIC: &str = "target/peers/lunatic/bin/lunatic";
const LUNATIC_ECHO: &str = "target/peers/lunatic_echo.wasm";

/// One of the servers that do the same work, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// [`crate::native`]: mio, no sandbox.
    Native,
    /// The sandbox host, one instance for all connections.
    Plugin,
    /// The same with the host of `--beside`.
    #[value(skip)]
    PluginBeside,
    /// The sandbox host, one instance for each connection.
    Connection,
    /// The same with the host of `--beside`.
    #[value(skip)]
    ConnectionBeside,
    /// EventMachine under Ruby, with epoll.
    #[value(name = "eventmachine")]
    #[serde(rename = "eventmachine")]
    EventMachine,
    /// Envoy's own echo filter.
    Envoy,
    /// The same behind a filter of WebAssembly.
    EnvoyWasm,
    /// lunatic, one instance for each connection.
    Lunatic,
}

/// Where the files are that the servers need; made once, dropped when the run ends.
#[derive(Debug)]
pub struct Paths {
    root: PathBuf,
    myself: PathBuf,
    host: Sandboxed,
    beside: Option<Sandboxed>,
    scratch: TempDir,
}

/// A sandbox host, and the component that it runs.
#[derive(Debug, Clone)]
pub struct Sandboxed {
    /// The host's binary.
    pub host: PathBuf,
    /// The echo.
    pub component: PathBuf,
}

/// A command that starts a server.
#[derive(Debug)]
pub struct Start {
    /// The command.
    pub command: Command,
    /// The port it was given; without one it says the port that it has chosen.
    pub port: Option<u16>,
}

impl Subject {
    /// Every server but lunatic, which takes minutes to build and is measured where it is asked for.
    pub const ALL: &[Self] = &[
        Self::Native,
        Self::Plugin,
        Self::Connection,
        Self::EventMachine,
        Self::Envoy,
        Self::EnvoyWasm,
    ];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Plugin => "plugin",
            Self::PluginBeside => "plugin'",
            Self::Connection => "connection",
            Self::ConnectionBeside => "connection'",
            Self::EventMachine => "eventmachine",
            Self::Envoy => "envoy",
            Self::EnvoyWasm => "envoy-wasm",
            Self::Lunatic => "lunatic",
        }
    }

    /// The same with the host of `--beside`, where there is such a thing.
    pub fn beside(self) -> Option<Self> {
        match self {
            Self::Plugin => Some(Self::PluginBeside),
            Self::Connection => Some(Self::ConnectionBeside),
            _ => None,
        }
    }

    fn isolation(self) -> Option<Isolation> {
        match self {
            Self::Plugin | Self::PluginBeside => Some(Isolation::Plugin),
            Self::Connection | Self::ConnectionBeside => Some(Isolation::Connection),
            _ => None,
        }
    }

    /// Why it cannot be measured here, and what to do about it.
    pub fn missing(self, machine: &Machine, root: &Path) -> Option<&'static str> {
        let unless = |there: bool, remedy| (!there).then_some(remedy);
        match self {
            Self::EventMachine => unless(
                machine.eventmachine.is_some(),
                "ruby or its eventmachine library is missing; Debian: apt-get install ruby-eventmachine",
            ),
            Self::Envoy => unless(envoy::Role::Echo.is_there(root), envoy::REMEDY),
            Self::EnvoyWasm => unless(envoy::Role::WasmThenEcho.is_there(root), envoy::REMEDY),
            Self::Lunatic => unless(
                root.join(LUNATIC).is_file() && root.join(LUNATIC_ECHO).is_file(),
                "lunatic or its guest is missing: `cargo xtask bench echo --only lunatic` gets both, or says why it cannot",
            ),
            _ => None,
        }
    }

    /// The command that starts the server; `room` as for [`plugins_toml`].
    pub fn start(self, paths: &Paths, room: Option<usize>) -> Result<Start> {
        if let Some(isolation) = self.isolation() {
            let command = self.sandboxed(paths, isolation, room)?;
            return Ok(Start { command, port: None });
        }
        if let Self::Envoy | Self::EnvoyWasm | Self::Lunatic = self {
            let port = free_port()?;
            let scratch = paths.scratch.path();
            let command = match self {
                Self::Envoy => envoy::Role::Echo.command(&paths.root, scratch, port)?,
                Self::EnvoyWasm => envoy::Role::WasmThenEcho.command(&paths.root, scratch, port)?,
                _ => {
                    let mut command = Command::new(paths.root.join(LUNATIC));
                    command.arg("run").arg(paths.root.join(LUNATIC_ECHO)).arg(port.to_string());
                    command
                }
            };
            return Ok(Start { command, port: Some(port) });
        }
        let mut command = match self {
            Self::EventMachine => Command::new("ruby"),
            _ => Command::new(&paths.myself),
        };
        match self {
            Self::EventMachine => command.args(["-e", EVENTMACHINE]),
            _ => command.args(["serve", "127.0.0.1:0"]),
        };
        Ok(Start { command, port: None })
    }

    fn sandboxed(
        self,
        paths: &Paths,
        isolation: Isolation,
        room: Option<usize>,
    ) -> Result<Command> {
        let is_beside = matches!(self, Self::PluginBeside | Self::ConnectionBeside);
        let sandboxed = match &paths.beside {
            Some(beside) if is_beside => beside,
            _ => &paths.host,
        };
        let file = paths.scratch.path().join(format!("{}.toml", self.name()));
        fs::write(&file, plugins_toml(&sandboxed.component, isolation, room))
            .with_context(|| format!("writing {}", file.display()))?;
        let mut command = Command::new(&sandboxed.host);
        // The line with the address is of level info; a filter of the user's must not hide it.
        command.arg("run").arg(file).env_remove("SANDLOOP_LOG").env("NO_COLOR", "1");
        Ok(command)
    }
}

/// For those that cannot choose a port and say which. Nobody else takes it meanwhile, because the kernel gives out another
/// one each time.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Paths {
    /// Finds what `subjects` need; an absent file is named with the command that makes it. `root` is the repository's.
    pub fn find(
        root: &Path,
        host: &Sandboxed,
        beside: Option<&Sandboxed>,
        mut subjects: impl Iterator<Item = Subject>,
    ) -> Result<Self> {
        let mut host = host.clone();
        if subjects.any(|subject| subject.isolation().is_some()) {
            host = host.present()?;
        }
        let beside = beside.map(Sandboxed::present).transpose()?;
        let myself = std::env::current_exe().context("finding this program")?;
        let root = root.canonicalize().context("finding the repository")?;
        Ok(Self {
            root,
            myself,
            host,
            beside,
            scratch: TempDir::new().context("a scratch folder")?,
        })
    }
}

impl Sandboxed {
    fn present(&self) -> Result<Self> {
        Ok(Self {
            host: present(
                &self.host,
                "`cargo build --release --package sandloop-host`, or --host",
            )?,
            component: present(&self.component, "`cargo xtask plugins`, or --component")?,
        })
    }
}

fn present(path: &Path, remedy: &str) -> Result<PathBuf> {
    let missing = || {
        let path = path.display();
        format!(
            "{path} is missing: run {remedy}; or leave the host out: --only native,eventmachine"
        )
    };
    path.canonicalize().with_context(missing)
}
