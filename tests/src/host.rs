//! The host, run as a child process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::log::{Lines, LogLine};
use crate::peer::Peer;
use crate::{Config, PATIENCE, paths, process};

/// A `sandloop run`; dropping it kills it.
#[derive(Debug)]
pub struct Host {
    child: Child,
    stderr: Lines,
    stdout: Lines,
    /// Standard output, if it is not read.
    unread: Option<ChildStdout>,
    served: Vec<Served>,
    // The directory goes after the child.
    dir: TempDir,
}

/// A `serving` line.
#[derive(Clone, Debug)]
struct Served {
    address: String,
    plugin: String,
}

impl Host {
    /// Runs a configuration until it is ready.
    pub fn start(config: &Config) -> Host {
        Host::start_in(tempfile::tempdir().expect("a temporary directory"), config)
    }

    /// Like [`Host::start`], in a directory that the test has prepared.
    pub fn start_in(dir: TempDir, config: &Config) -> Host {
        Host::start_toml(dir, &config.to_toml())
    }

    /// Like [`Host::start_in`], with a file as text.
    pub fn start_toml(dir: TempDir, toml: &str) -> Host {
        Host::start_by(command(dir.path()), dir, toml)
    }

    fn start_by(command: Command, dir: TempDir, toml: &str) -> Host {
        let mut host = Host::spawn_by(command, dir, toml, |host| {
            host.stdout = Lines::read(host.child.stdout.take().expect("stdout is a pipe"));
        });
        host.wait_ready();
        host
    }

    /// Like [`Host::start_in`], with sockets that are passed as systemd does, such as `web=tcp`: see `tests/peers/activate.py`.
    pub fn start_activated(dir: TempDir, config: &Config, sockets: &[&str]) -> Host {
        Host::start_by(activated(dir.path(), sockets), dir, &config.to_toml())
    }

    /// Like [`Host::start_in`], with more environment variables.
    pub fn start_with(dir: TempDir, config: &Config, variables: &[(&str, &str)]) -> Host {
        let mut command = command(dir.path());
        command.envs(variables.iter().copied());
        Host::start_by(command, dir, &config.to_toml())
    }

    /// Like [`Host::start`], but the host's standard output is not read.
    pub fn start_unread(config: &Config) -> Host {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut host = Host::spawn_by(command(dir.path()), dir, &config.to_toml(), |host| {
            host.unread = host.child.stdout.take();
        });
        host.wait_ready();
        host
    }

    /// Like [`Host::start`], with a file of this repository. The paths of its components are kept; its addresses become this
    /// host's own, so that files that all serve port 10000 run side by side.
    pub fn start_file(file: &Path) -> Host {
        Host::start_file_with(file, &[("127.0.0.1", &own_loopback())])
    }

    /// Like [`Host::start_file`], with these words of the file replaced, one after the other.
    pub fn start_file_with(file: &Path, words: &[(&str, &str)]) -> Host {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let target = format!("\"{}/", paths::workspace().join("target").display());
        let toml = fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            // Before the components' paths, which may themselves be below /tmp.
            .replace("/tmp/", &format!("{}/", dir.path().display()))
            .replace("\"../../target/", &target)
            .replace("\"target/", &target);
        let replace = |toml: String, (from, to): &(&str, &str)| toml.replace(from, to);
        Host::start_toml(dir, &words.iter().fold(toml, replace))
    }

    fn spawn_by(
        mut command: Command,
        dir: TempDir,
        toml: &str,
        with_stdout: impl FnOnce(&mut Host),
    ) -> Host {
        let file = dir.path().join("plugins.toml");
        fs::write(&file, toml).expect("the temporary directory takes a file");
        let mut child =
            command.args(["run", "plugins.toml"]).spawn().expect("the host's binary can be run");
        let stderr = Lines::read(child.stderr.take().expect("stderr is a pipe"));
        // Empty so far, and for ever if the output is not read.
        let stdout = Lines::read(std::io::empty());
        let mut host = Host { child, stderr, stdout, unread: None, served: Vec::new(), dir };
        with_stdout(&mut host);
        host
    }

    /// Waits for the `ready` line and reads the addresses.
    fn wait_ready(&mut self) {
        self.wait_log("ready ");
        self.served = self
            .log()
            .iter()
            .filter(|line| line.message().starts_with("serving "))
            .map(|line| Served {
                address: line.field("address").expect("serving names its address").to_owned(),
                plugin: line.field("plugin").expect("serving names its plugin").to_owned(),
            })
            .collect();
    }

    /// The address of a plugin's first listener, such as `tcp://127.0.0.1:41234`.
    pub fn address(&self, plugin: &str) -> String {
        self.addresses(plugin).swap_remove(0)
    }

    /// The addresses of all of a plugin's listeners, in the order of the file.
    pub fn addresses(&self, plugin: &str) -> Vec<String> {
        let addresses: Vec<String> = self
            .served
            .iter()
            .filter(|served| served.plugin == plugin)
            .map(|served| served.address.clone())
            .collect();
        assert!(!addresses.is_empty(), "nothing serves {plugin}:\n{}", self.stderr.text());
        addresses
    }

    /// A connection to a plugin's first listener.
    pub fn connect(&self, plugin: &str) -> Peer {
        Peer::connect(&self.address(plugin))
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder, with its `plugins.toml`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The log so far.
    pub fn log(&self) -> Vec<LogLine> {
        self.stderr.so_far()
    }

    /// Waits for a line of the log whose message begins with this.
    pub fn wait_log(&self, start: &str) -> LogLine {
        self.wait_line(start, |line| line.message().starts_with(start))
    }

    /// Waits for a line of the log that matches; `what` is for the failure.
    pub fn wait_line(&self, what: &str, mut matches: impl FnMut(&LogLine) -> bool) -> LogLine {
        let found = self.stderr.wait_for(|lines| lines.iter().find(|line| matches(line)).cloned());
        match found {
            Some(line) => line,
            None => panic!("the log never said `{what}`:\n{}", self.stderr.text()),
        }
    }

    /// Waits until this number of lines of the log match, and returns them.
    pub fn wait_lines(
        &self,
        what: &str,
        count: usize,
        mut matches: impl FnMut(&LogLine) -> bool,
    ) -> Vec<LogLine> {
        let found = self.stderr.wait_for(|lines| {
            let found: Vec<LogLine> = lines.iter().filter(|line| matches(line)).cloned().collect();
            (count <= found.len()).then_some(found)
        });
        match found {
            Some(lines) => lines,
            None => panic!("the log never said `{what}` {count} times:\n{}", self.stderr.text()),
        }
    }

    /// Requests the resources in use with SIGUSR1 until the answer matches. `tells` is whether a line is the wanted one of an
    /// answer; `what` is for the failure.
    #[track_caller]
    pub fn wait_in_use(
        &self,
        what: &str,
        patience: Duration,
        tells: impl Fn(&LogLine) -> bool,
        is_wanted: impl Fn(&LogLine) -> bool,
    ) {
        let tells = |line: &LogLine| line.message().starts_with("in use") && tells(line);
        let begun = Instant::now();
        let mut seen = self.stderr.count();
        loop {
            self.signal(Signal::USR1);
            // Only what is new: a host that is asked for minutes has said a lot.
            let answer = self.stderr.wait_for(|lines| {
                let line = lines.get(seen..)?.iter().rfind(|line| tells(line))?;
                Some((line.clone(), lines.len()))
            });
            let Some((line, count)) = answer else {
                panic!("{what}: it does not tell what is in use:\n{}", self.stderr.text())
            };
            if is_wanted(&line) {
                return;
            }
            assert!(begun.elapsed() < patience, "{what}: {line}");
            seen = count;
            crate::pause();
        }
    }

    /// The output of the guests so far, if the plugin has `stdout = "inherit"`.
    pub fn printed(&self) -> String {
        self.stdout.text()
    }

    /// Waits until the guests have printed a line that is exactly this.
    pub fn wait_printed(&self, line: &str) {
        let found = self.stdout.wait_for(|lines| lines.iter().any(|it| it.0 == line).then_some(()));
        assert!(
            found.is_some(),
            "`{line}` was never printed, but\n{}\nThe log:\n{}",
            self.stdout.text(),
            self.stderr.text()
        );
    }

    /// Waits until the guests have printed a line that begins with this, and returns it.
    pub fn wait_printed_start(&self, start: &str) -> String {
        let found =
            self.stdout.wait_for(|lines| lines.iter().find(|it| it.0.starts_with(start)).cloned());
        match found {
            Some(line) => line.0,
            None => panic!(
                "`{start}` was never printed, but\n{}\nThe log:\n{}",
                self.stdout.text(),
                self.stderr.text()
            ),
        }
    }

    /// Waits until the guests have printed this many lines, and returns them.
    pub fn wait_printed_lines(&self, count: usize) -> Vec<String> {
        let found = self.stdout.wait_for(|lines| {
            (count <= lines.len()).then(|| lines.iter().map(|line| line.0.clone()).collect())
        });
        match found {
            Some(lines) => lines,
            None => panic!(
                "{count} lines were never printed, but\n{}\nThe log:\n{}",
                self.stdout.text(),
                self.stderr.text()
            ),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Requests a graceful stop and waits for the end, which must be a clean one.
    pub fn stop(self) -> Outcome {
        self.signal(Signal::TERM);
        let outcome = self.wait_exit();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome
    }

    /// Waits until it has ended by itself.
    pub fn wait_exit(mut self) -> Outcome {
        let ended = self.stderr.wait_end().is_some() && self.stdout.wait_end().is_some();
        assert!(ended, "the host still runs:\n{}", self.stderr.text());
        let status = self.child.wait().expect("the child is ours");
        Outcome { code: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the host's log\n{}---", self.stderr.text());
        }
    }
}

/// A loopback address that no other host of a test uses: all of 127.0.0.0/8 is on this machine.
pub fn own_loopback() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id() * 16 + COUNT.fetch_add(1, Ordering::Relaxed);
    let [high, middle, low] = [number / 64_516 % 254, number / 254 % 254, number % 254];
    format!("127.{}.{}.{}", high + 1, middle + 1, low + 1)
}

/// The outcome of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Standard error without what is said, on a busy machine, of a component that takes long to compile.
    pub fn refusal(&self) -> String {
        let told = [" INFO compiling, which takes a while ", " INFO compiled "];
        let is_other = |line: &&str| !told.iter().any(|told| line.contains(told));
        self.stderr.split_inclusive('\n').filter(is_other).collect()
    }
}

/// Runs `sandloop` with these arguments in a directory, to its end.
pub fn sandloop(dir: &Path, arguments: &[&str]) -> Outcome {
    let mut command = command(dir);
    command.args(arguments);
    finish(command)
}

/// Runs any command to its end, which must come within [`PATIENCE`] after its last output.
pub fn finish(command: Command) -> Outcome {
    Running::spawn(command).wait()
}

/// A running command; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    command: Command,
    child: Child,
    stderr: Lines,
    stdout: Lines,
}

impl Running {
    /// Starts it, with an empty standard input.
    pub fn spawn(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let stderr = Lines::read(child.stderr.take().expect("stderr is a pipe"));
        let stdout = Lines::read(child.stdout.take().expect("stdout is a pipe"));
        Running { command, child, stderr, stdout }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines on standard error so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.stderr.so_far()
    }

    /// Waits for a line on standard error whose message begins with this; false if it ends without one.
    pub fn says(&self, start: &str) -> bool {
        let says = |line: &LogLine| line.message().starts_with(start);
        self.stderr.wait_for(|lines| lines.iter().any(says).then_some(())).is_some()
    }

    /// Waits until `count` lines on standard error match; returns the last of them, none if it ends before.
    pub fn says_often(
        &self,
        times: usize,
        mut matches: impl FnMut(&LogLine) -> bool,
    ) -> Option<LogLine> {
        self.stderr
            .wait_for(|lines| lines.iter().filter(|line| matches(line)).nth(times - 1).cloned())
    }

    /// Waits for a line on standard error that contains this; false if it ends without one.
    pub fn logs(&self, text: &str) -> bool {
        let has = |line: &LogLine| line.0.contains(text);
        self.stderr.wait_for(|lines| lines.iter().any(has).then_some(())).is_some()
    }

    /// Waits for the `count`-th line on standard error whose message begins with this.
    #[track_caller]
    pub fn log_line(&self, start: &str, count: usize) -> LogLine {
        let begins = |line: &&LogLine| line.message().starts_with(start);
        let found =
            self.stderr.wait_for(|lines| lines.iter().filter(begins).nth(count - 1).cloned());
        found.unwrap_or_else(|| {
            panic!("it did not say `{start}` {count} times:\n{}", self.stderr.text())
        })
    }

    /// Waits for this line on standard output; false if it ends without one.
    pub fn prints(&self, line: &str) -> bool {
        self.stdout.wait_for(|lines| lines.iter().any(|it| it.0 == line).then_some(())).is_some()
    }

    /// Waits for its first line on standard output.
    pub fn first_line(&self) -> String {
        self.line("")
    }

    /// Waits for a line on standard output that begins with this.
    pub fn line(&self, start: &str) -> String {
        let begins = |line: &&LogLine| line.0.starts_with(start);
        let found = self.stdout.wait_for(|lines| lines.iter().find(begins).cloned());
        let said = || format!("{}{}", self.stdout.text(), self.stderr.text());
        found.unwrap_or_else(|| panic!("it never said `{start}`, but\n{}", said())).0
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Outcome {
        let ended = self.stderr.wait_end().is_some() && self.stdout.wait_end().is_some();
        if !ended {
            // It fails only if the process has just ended.
            let _ = self.child.kill();
        }
        let status = self.child.wait().expect("the child is ours");
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        let outcome = Outcome { code: status.code(), stdout, stderr };
        assert!(ended, "{:?} has not ended after {PATIENCE:?}: {outcome:?}", self.command);
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sandloop` with sockets that are passed to it, named as in `tests/peers/activate.py`.
pub fn activated(dir: &Path, sockets: &[&str]) -> Command {
    let mut command = as_tests_run_it(dir, Command::new("python3"));
    command.arg(paths::workspace().join("tests/peers/activate.py")).args(sockets);
    command.arg("--").arg(paths::binary());
    command
}

/// `sandloop` as a test runs it: the developer's environment does not affect its output.
pub fn command(dir: &Path) -> Command {
    as_tests_run_it(dir, Command::new(paths::binary()))
}

fn as_tests_run_it(dir: &Path, mut command: Command) -> Command {
    command
        .current_dir(dir)
        .env_remove("SANDLOOP_LOG")
        .env_remove("RUST_BACKTRACE")
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A directory with a `plugins.toml`, for commands that are not `run`.
pub fn directory(toml: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("plugins.toml");
    fs::write(&file, toml).expect("the temporary directory takes a file");
    (dir, file)
}
