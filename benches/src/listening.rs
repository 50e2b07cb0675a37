//! A server of a bench: a child process that was given an address, is watched, and is ended with this value.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::sys;

/// Long enough to compile a component on a busy machine with a cold cache.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A server that listens; dropping it kills it.
#[derive(Debug)]
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    // Goes after the child.
    _dir: TempDir,
}

impl Listening {
    /// Starts on `core` what `make` says for a folder of its own and an address that is free, and waits until it lets somebody
    /// in.
    pub fn start(
        core: usize,
        make: impl FnOnce(&Path, SocketAddr) -> Result<Command>,
    ) -> Result<Listening> {
        Listening::start_until(core, make, |address| TcpStream::connect(address).is_ok())
    }

    /// The same, and waits until `is_ready` says so of the address.
    pub fn start_until(
        core: usize,
        make: impl FnOnce(&Path, SocketAddr) -> Result<Command>,
        mut is_ready: impl FnMut(SocketAddr) -> bool,
    ) -> Result<Listening> {
        let dir = TempDir::new().context("a scratch folder")?;
        // Not every one of them can choose a port and say which; nobody else takes this one meanwhile,
        // because the kernel gives out another one each time.
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = make(dir.path(), free)?;
        sys::die_with_parent(&mut command);
        sys::stay_on_core(&mut command, core);
        command.current_dir(&dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_remove("SANDLOOP_LOG");
        let program = command.get_program().to_owned();
        let mut child =
            command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let begin = Instant::now();
        while !is_ready(free) {
            if let Some(status) = child.try_wait()? {
                bail!("{} ended at its start: {status}", program.display());
            }
            ensure!(begin.elapsed() < START_TIMEOUT, "{} does not listen", program.display());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Listening { address: free, child, _dir: dir })
    }

    /// The CPU time it has used so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        sys::cpu_time(self.child.id())
    }

    /// The same in ticks, of its own code and of the kernel.
    pub fn cpu_ticks(&self) -> Result<(u64, u64)> {
        sys::cpu_ticks(self.child.id())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
