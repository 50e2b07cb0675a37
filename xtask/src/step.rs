//! A command is a list of steps: each is named, timed, and the first that fails ends it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::root::root;

/// Runs one step under its name.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok(_) => eprintln!("    {name}: done in {seconds:.1} s"),
        Err(_) => eprintln!("    {name}: FAILED after {seconds:.1} s"),
    }
    result.with_context(|| format!("the step `{name}` failed"))
}

/// A call of cargo from the root of the repository.
pub fn cargo(arguments: &[&str]) -> Command {
    // The cargo that runs this program: the one the developer chose.
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(root());
    cargo
}

/// Runs a program to its end with this one's output.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a program to its end and takes its standard output.
pub fn read(command: &mut Command) -> Result<Vec<u8>> {
    let Output { status, stdout, .. } = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(stdout)
}

/// Whether a program can be started and says yes; quiet.
pub fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a developer would type it.
pub fn line(command: &Command) -> String {
    let program = command.get_program();
    let short = Path::new(program).file_name().filter(|name| *name == "cargo");
    let words = std::iter::once(short.unwrap_or(program)).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
