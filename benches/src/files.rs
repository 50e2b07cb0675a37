//! Files: one of a gibibyte over HTTP, by the plugin `http-files` and by nginx.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::{
    contest::{Contestant, Files, GENERATOR_CORE, Options, Running, SERVER_CORE, Work},
    listening::Listening,
    report::exit_code,
    sys,
};

/// The size of the file.
const FILE_BYTES: u64 = 1 << 30;
/// What is counted.
const UNIT_BYTES: f64 = (1 << 20) as f64;
/// Read at once by the client.
const READ_BYTES: usize = 256 * 1024;

/// Files: `http-files` beside nginx, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "files")]
struct Cli {
    #[command(flatten)]
    options: Options<Kind>,
}

/// One of the servers, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// nginx with `sendfile`, one worker.
    Nginx,
    /// http-files, one instance for all connections.
    Plugin,
    /// http-files, one instance for each connection.
    Connection,
}

impl Contestant for Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Plugin => "plugin",
            Kind::Connection => "connection",
        }
    }

    fn missing(self) -> Option<&'static str> {
        match self {
            Kind::Nginx => crate::nginx::missing(),
            _ => None,
        }
    }
}

/// Parses the arguments, runs, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { options } = Cli::parse();
    exit_code(run(&options))
}

fn run(options: &Options<Kind>) -> Result<()> {
    let mut contest = options.begin()?;
    sys::stay_here_on_core(GENERATOR_CORE)?;
    let dir = tempfile::tempdir().context("a scratch folder")?;
    let folder = dir.path().join("public");
    fs::create_dir(&folder)?;
    let file = fs::File::create(folder.join("large"))?;
    // Without a byte written: what comes back is all zeros, from pages that the kernel has at hand.
    file.set_len(FILE_BYTES)?;
    let work = Work { title: "GET of a file of 1 GiB", unit: "MiB", bases: &[Kind::Nginx] };
    contest.run(work, |kind, files| Download::start(kind, files, &folder))
}

/// A server whose file is asked for again and again.
struct Download {
    server: Listening,
}

impl Download {
    fn start(kind: Kind, files: &Files, folder: &Path) -> Result<Download> {
        let make = |dir: &Path, address: SocketAddr| match kind {
            Kind::Nginx => crate::nginx::http(
                dir,
                &format!("sendfile on; server {{ listen {address}; root {}; }}", folder.display()),
            ),
            Kind::Plugin | Kind::Connection => {
                let plugin = format!(
                    "isolation = \"{}\"\nallow = {{ read = [\"{}::public\"] }}",
                    kind.name(),
                    folder.display()
                );
                files.sandboxed(
                    dir,
                    "http-files",
                    &plugin,
                    &format!("address = \"tcp://{address}\""),
                )
            }
        };
        Ok(Download { server: Listening::start(SERVER_CORE, make)? })
    }
}

impl Running for Download {
    fn servers(&self) -> Vec<&Listening> {
        vec![&self.server]
    }

    fn work(&mut self, time: Duration) -> Result<f64> {
        let (begun, mut bytes) = (Instant::now(), 0);
        while begun.elapsed() < time {
            bytes += download(self.server.address)?;
        }
        Ok(bytes as f64 / UNIT_BYTES)
    }
}

/// The whole file.
fn download(address: SocketAddr) -> Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut buffer = vec![0; READ_BYTES];
    let first = stream.read(&mut buffer).context("reading an answer")?;
    let head = String::from_utf8_lossy(&buffer[..first]);
    ensure!(head.starts_with("HTTP/1.1 200 "), "it answers {:?}", head.lines().next());
    let head = head.find("\r\n\r\n").context("the answer's head is not whole")? + 4;
    let mut bytes = u64::try_from(first - head)?;
    loop {
        match stream.read(&mut buffer).context("reading an answer")? {
            0 => break,
            count => bytes += u64::try_from(count)?,
        }
    }
    ensure!(bytes == FILE_BYTES, "{bytes} bytes of {FILE_BYTES} came");
    Ok(bytes)
}
