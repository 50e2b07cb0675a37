//! The servers compared, and how each is started, watched and ended.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::SERVER_CORE;
use crate::{
    envoy::{REMEDY, Role},
    listening::Listening,
    nginx,
};

/// thin's side of the comparison, and Node's; part of the binary, so that it runs from anywhere.
const THIN: &str = include_str!("../../peers/http.rb");
const NODE: &str = include_str!("../../peers/http.js");

/// One of the servers, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`crate::native`] with the plugin's own codec: mio, no sandbox.
    Native,
    /// http-hello, one instance for all connections.
    Plugin,
    /// http-hello, one instance for each connection.
    Connection,
    /// `return 200` in nginx, one worker.
    Nginx,
    /// Node.js's `http`.
    Node,
    /// thin, EventMachine's web server, with a Rack application of one line.
    Thin,
    /// `direct_response` in Envoy, one worker.
    Envoy,
    /// The page by an HTTP filter of WebAssembly in Envoy.
    EnvoyWasm,
}

impl Kind {
    /// Every server.
    pub const ALL: &[Kind] = &[
        Kind::Native,
        Kind::Plugin,
        Kind::Connection,
        Kind::Nginx,
        Kind::Node,
        Kind::Thin,
        Kind::Envoy,
        Kind::EnvoyWasm,
    ];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Native => "native",
            Kind::Plugin => "plugin",
            Kind::Connection => "connection",
            Kind::Nginx => "nginx",
            Kind::Node => "node",
            Kind::Thin => "thin",
            Kind::Envoy => "envoy",
            Kind::EnvoyWasm => "envoy-wasm",
        }
    }

    fn envoy(self) -> Option<Role> {
        match self {
            Kind::Envoy => Some(Role::DirectResponse),
            Kind::EnvoyWasm => Some(Role::WasmPage),
            _ => None,
        }
    }

    /// Whether what it needs is installed.
    pub fn is_there(self) -> bool {
        let runs = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        match self {
            Kind::Native | Kind::Plugin | Kind::Connection => true,
            Kind::Envoy | Kind::EnvoyWasm => {
                self.envoy().is_some_and(|role| role.is_there(Path::new(".")))
            }
            Kind::Nginx => nginx::is_there(),
            Kind::Node => runs("node", &["--version"]),
            Kind::Thin => runs("ruby", &["-rthin", "-e", "0"]),
        }
    }

    /// How to get it.
    pub fn remedy(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx is missing (Debian: apt-get install nginx-light)",
            Kind::Node => "Node.js is missing (Debian: apt-get install nodejs)",
            Kind::Thin => "Ruby or thin is missing (Debian: apt-get install thin)",
            Kind::Envoy | Kind::EnvoyWasm => REMEDY,
            Kind::Native | Kind::Plugin | Kind::Connection => "`cargo xtask plugins` builds it",
        }
    }
}

/// Where the files are that the servers need.
#[derive(Debug)]
pub struct Paths {
    myself: PathBuf,
    host: PathBuf,
    component: PathBuf,
}

impl Paths {
    /// Finds them; an absent file is named with the command that makes it.
    pub fn find(host: &Path, component: &Path) -> Result<Paths> {
        let present = |path: &Path| {
            let remedy = || format!("{} is missing: run `cargo xtask plugins`", path.display());
            path.canonicalize().with_context(remedy)
        };
        let myself = std::env::current_exe().context("finding this program")?;
        Ok(Paths { myself, host: present(host)?, component: present(component)? })
    }
}

/// A server that answers; dropping it kills it.
#[derive(Debug)]
pub struct Server(pub Listening);

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(kind: Kind, paths: &Paths) -> Result<Server> {
        let make = |dir: &Path, free| command(kind, paths, dir, free);
        Ok(Server(Listening::start(SERVER_CORE, make)?))
    }

    /// Asks once: every server must say the same page.
    pub fn check_answer(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.0.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        ensure!(line.starts_with("HTTP/1.1 200 OK"), "it answers {line:?}");
        let mut rest = String::new();
        reader.read_to_string(&mut rest)?;
        ensure!(rest.contains("<center><h1>Wham-o</h1></center>"), "it answers {rest:?}");
        ensure!(rest.to_lowercase().contains("content-type: text/html"), "it answers {rest:?}");
        Ok(())
    }
}

fn command(kind: Kind, paths: &Paths, dir: &Path, address: SocketAddr) -> Result<Command> {
    let port = address.port().to_string();
    let file = |name: &str, text: String| -> Result<PathBuf> {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    };
    Ok(match kind {
        Kind::Native => {
            let mut command = Command::new(&paths.myself);
            command.args(["serve", &address.to_string()]);
            command
        }
        Kind::Plugin | Kind::Connection => {
            let toml = format!(
                "[host]\nreactors = 1\n\n[plugins.http-hello]\ncomponent = \"{}\"\nisolation = \"{}\"\n\n\
                 [[listen]]\naddress = \"tcp://{address}\"\nplugin = \"http-hello\"\n",
                paths.component.display(),
                kind.name()
            );
            let mut command = Command::new(&paths.host);
            command.arg("run").arg(file("plugins.toml", toml)?);
            command
        }
        Kind::Envoy | Kind::EnvoyWasm => {
            let role = kind.envoy().context("a role of Envoy's")?;
            role.command(Path::new("."), dir, address.port())?
        }
        Kind::Nginx => {
            let page = "<center><h1>Wham-o</h1></center>";
            nginx::http(
                dir,
                &format!(
                    "keepalive_requests 1000000000; default_type text/html;\n\
                     server {{ listen {address}; location / {{ return 200 \"{page}\"; }} }}"
                ),
            )?
        }
        Kind::Node => {
            let mut command = Command::new("node");
            command.args(["-e", NODE, &port]);
            command
        }
        Kind::Thin => {
            let mut command = Command::new("ruby");
            command.args(["-e", THIN, &port]);
            command
        }
    })
}
