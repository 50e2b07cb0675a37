//! The servers compared, and the command that starts each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::host_config::{Isolation, plugins_toml};

/// EventMachine's side of the comparison; part of the binary, so that it runs from anywhere.
const EVENTMACHINE: &str = include_str!("../peers/echo.rb");

/// One of the servers that do the same work, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// [`crate::native`]: mio, no sandbox.
    Native,
    /// The sandbox host, one instance for all connections.
    Plugin,
    /// The sandbox host, one instance for each connection.
    Connection,
    /// EventMachine under Ruby, with epoll.
    #[value(name = "eventmachine")]
    EventMachine,
}

/// Where the files are that the servers need; made once, dropped when the run ends.
#[derive(Debug)]
pub struct Paths {
    myself: PathBuf,
    host: PathBuf,
    component: PathBuf,
    scratch: TempDir,
}

impl Subject {
    /// Every server.
    pub const ALL: &[Self] = &[Self::Native, Self::Plugin, Self::Connection, Self::EventMachine];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Plugin => "plugin",
            Self::Connection => "connection",
            Self::EventMachine => "eventmachine",
        }
    }

    fn isolation(self) -> Option<Isolation> {
        match self {
            Self::Plugin => Some(Isolation::Plugin),
            Self::Connection => Some(Isolation::Connection),
            Self::Native | Self::EventMachine => None,
        }
    }

    /// The command that starts the server; `room` as for [`plugins_toml`].
    pub fn command(self, paths: &Paths, room: Option<usize>) -> Result<Command> {
        if let Some(isolation) = self.isolation() {
            let file = paths.scratch.path().join(format!("{}.toml", self.name()));
            fs::write(&file, plugins_toml(&paths.component, isolation, room))
                .with_context(|| format!("writing {}", file.display()))?;
            let mut command = Command::new(&paths.host);
            // The line with the address is of level info; a filter of the user's must not hide it.
            command.arg("run").arg(file).env_remove("SANDLOOP_LOG").env("NO_COLOR", "1");
            return Ok(command);
        }
        let mut command = match self {
            Self::EventMachine => Command::new("ruby"),
            _ => Command::new(&paths.myself),
        };
        match self {
            Self::EventMachine => command.args(["-e", EVENTMACHINE]),
            _ => command.args(["serve", "127.0.0.1:0"]),
        };
        Ok(command)
    }
}

impl Paths {
    /// Finds what `subjects` need; an absent file is named with the command that makes it.
    pub fn find(
        host: &Path,
        component: &Path,
        mut subjects: impl Iterator<Item = Subject>,
    ) -> Result<Self> {
        let (mut host, mut component) = (host.to_owned(), component.to_owned());
        if subjects.any(|subject| subject.isolation().is_some()) {
            host = present(&host, "`cargo build --release --package sandloop-host`, or --host")?;
            component = present(&component, "`cargo xtask plugins`, or --component")?;
        }
        let myself = std::env::current_exe().context("finding this program")?;
        Ok(Self { myself, host, component, scratch: TempDir::new().context("a scratch folder")? })
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
