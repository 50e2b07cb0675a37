//! A host whose standard output and standard error are read only when the test requests it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::host::command;
use crate::log::LogLine;
use crate::{PATIENCE, Peer, process};

/// A `sandloop run` whose output is not read once it is ready; dropping it kills it.
#[derive(Debug)]
pub struct HeldHost {
    child: Child,
    stderr: BufReader<ChildStderr>,
    stdout: Option<ChildStdout>,
    begun: Vec<LogLine>,
    _dir: TempDir,
}

impl HeldHost {
    /// Runs a configuration, and reads its log until it is ready, and no further.
    pub fn start(toml: &str) -> HeldHost {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("plugins.toml"), toml).expect("a new file");
        let mut child = command(dir.path())
            .args(["run", "plugins.toml"])
            .spawn()
            .expect("the host's binary can be run");
        let mut stderr = BufReader::with_capacity(1, child.stderr.take().expect("a pipe"));
        let mut begun = Vec::new();
        while !begun.last().is_some_and(|line: &LogLine| line.message().starts_with("ready ")) {
            let mut line = String::new();
            let read = stderr.read_line(&mut line).expect("a line of text");
            assert!(0 < read, "the host has ended: {begun:?}");
            begun.push(LogLine(line.trim_end().to_owned()));
        }
        let stdout = child.stdout.take();
        HeldHost { child, stderr, stdout, begun, _dir: dir }
    }

    /// The address where a plugin is served.
    pub fn address(&self, plugin: &str) -> String {
        let serves = |line: &&LogLine| {
            line.message().starts_with("serving ") && line.field("plugin") == Some(plugin)
        };
        let line = self.begun.iter().find(serves).expect("it is served");
        line.field("address").expect("serving names its address").to_owned()
    }

    /// A connection to a plugin.
    pub fn connect(&self, plugin: &str) -> Peer {
        Peer::connect(&self.address(plugin))
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Requests a graceful stop while the output is not read; returns the time until the end.
    pub fn stop_unread(&mut self) -> Duration {
        process::signal(self.pid(), Signal::TERM);
        let begun = Instant::now();
        while self.child.try_wait().expect("the child is ours").is_none() {
            assert!(begun.elapsed() < PATIENCE, "the host still runs");
            crate::pause();
        }
        begun.elapsed()
    }

    /// Continues to read the log, at most this number of bytes a second, until a line matches; returns all lines so far.
    pub fn read_until(
        &mut self,
        per_second: usize,
        mut is_it: impl FnMut(&LogLine) -> bool,
    ) -> Vec<LogLine> {
        let (begun, mut bytes, mut lines) = (Instant::now(), 0, Vec::new());
        loop {
            let mut line = Vec::new();
            let read = self.stderr.read_until(b'\n', &mut line).expect("the pipe can be read");
            assert!(0 < read, "the host has ended after {} lines", lines.len());
            assert!(begun.elapsed() < PATIENCE, "it is not in {} lines: {lines:?}", lines.len());
            bytes += read;
            let line = LogLine(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            let found = is_it(&line);
            lines.push(line);
            if found {
                return lines;
            }
            let due = Duration::from_secs_f64(bytes as f64 / per_second as f64);
            // Reading slowly is the purpose; this does not wait for anything.
            std::thread::sleep(due.saturating_sub(begun.elapsed()).min(Duration::from_millis(50)));
        }
    }

    /// Reads the rest of standard output, to its end.
    pub fn read_stdout(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        let stdout = self.stdout.as_mut().expect("it is still open");
        stdout.read_to_end(&mut read).expect("the pipe can be read");
        read
    }
}

impl Drop for HeldHost {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
