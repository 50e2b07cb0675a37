//! Where the numbers were made: without it a figure says nothing.

use std::{fmt, fs, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// The machine and the versions of what is compared.
#[derive(Debug, Serialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory: String,
    kernel: String,
    load_average: String,
    wasmtime: String,
    /// With Ruby's version; none where either is missing.
    pub eventmachine: Option<String>,
    /// None where it is missing.
    pub envoy: Option<String>,
    revision: String,
}

/// Where `cargo xtask bench` puts Envoy, from the root on.
pub const ENVOY: &str = "target/peers/envoy";

/// Looks around; `root` is the repository's. What cannot be found is "unknown".
pub fn describe(root: &Path) -> Machine {
    let unknown = || "unknown".to_owned();
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let line = |path: &str| Some(fs::read_to_string(path).ok()?.trim().to_owned());
    Machine {
        cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
        cores: thread::available_parallelism().map_or(0, usize::from),
        memory: field("/proc/meminfo", "MemTotal").unwrap_or_else(unknown),
        kernel: line("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
        load_average: line("/proc/loadavg").unwrap_or_else(unknown),
        wasmtime: locked_version(root, "wasmtime").unwrap_or_else(unknown),
        eventmachine: eventmachine(),
        envoy: envoy(&root.join(ENVOY)),
        revision: output(
            "git",
            &["-C", &root.to_string_lossy(), "describe", "--always", "--dirty"],
        )
        .unwrap_or_else(unknown),
    }
}

/// The CPU time that the whole machine has spent, steal by other guests of its host included.
pub fn busy() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields = stat.lines().next().context("an empty /proc/stat")?.split_whitespace().skip(1);
    // user nice system idle iowait irq softirq steal, in the 100 Hz that user space is shown.
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).take(8).collect();
    let waiting = |index: &usize| ![3, 4].contains(index);
    let busy = (0..ticks.len()).filter(waiting).map(|index| ticks[index]).sum::<u64>();
    Ok(Duration::from_millis(10 * busy))
}

/// The versions of Ruby and of EventMachine, if both are there.
fn eventmachine() -> Option<String> {
    let script = "require 'eventmachine'; print EM::VERSION, ', ruby ', RUBY_VERSION";
    output("ruby", &["-e", script])
}

/// The number in `…/envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn envoy(binary: &Path) -> Option<String> {
    let version = output(&binary.to_string_lossy(), &["--version"])?;
    Some(version.split('/').rev().nth(3).unwrap_or(&version).to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The version of `package` in the lock file.
fn locked_version(root: &Path, package: &str) -> Option<String> {
    let lock = fs::read_to_string(root.join("Cargo.lock")).ok()?;
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cpu          {} x {}", self.cores, self.cpu)?;
        writeln!(f, "memory       {}", self.memory)?;
        writeln!(f, "kernel       {}", self.kernel)?;
        writeln!(f, "load         {}", self.load_average)?;
        writeln!(f, "revision     {}", self.revision)?;
        writeln!(f, "wasmtime     {}", self.wasmtime)?;
        let or_none = |version: &Option<String>| version.clone().unwrap_or("not installed".into());
        writeln!(f, "eventmachine {}", or_none(&self.eventmachine))?;
        write!(f, "envoy        {}", or_none(&self.envoy))
    }
}
