//! A command is a list of steps: each is named, numbered and timed, and the first that fails ends the command.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::root::root;

/// The steps of one command, so that whoever waits sees how far it is.
pub struct Steps {
    total: usize,
    begun: usize,
    start: Instant,
}

impl Steps {
    /// A command of this many steps.
    pub fn of(total: usize) -> Steps {
        Steps { total, begun: 0, start: Instant::now() }
    }

    /// Runs the next step under its name.
    pub fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.announce(name);
        let start = Instant::now();
        let result = work();
        let took = minutes(start.elapsed());
        match &result {
            Ok(_) => eprintln!("    {name}: done in {took}"),
            Err(_) => eprintln!("    {name}: FAILED after {took}"),
        }
        result.with_context(|| format!("the step `{name}` failed"))
    }

    /// Says that the next step begins. For a last step that this program does not see the end of.
    pub fn announce(&mut self, name: &str) {
        self.begun += 1;
        debug_assert!(self.begun <= self.total, "the command has more steps than it said");
        let (begun, total, elapsed) = (self.begun, self.total, minutes(self.elapsed()));
        eprintln!("==> step {begun} of {total}: {name} ({elapsed} elapsed)");
    }

    /// How long the command has been running.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A time as `0:07` or `12:34`, in minutes and seconds.
pub fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// Does the work for each item, on as many threads as there are cores. The results are in the order of the items.
///
/// # Errors
/// The first error in that order; items that have not begun by then are left out.
pub fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<T>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len());
    let until_the_end = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let (Some(item), Some(result)) = (items.get(place), results.get(place)) else { return };
            let done = work(item);
            if done.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }
    };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(until_the_end))));
    let done =
        results.into_iter().map(|it| it.into_inner().unwrap_or_else(PoisonError::into_inner));
    done.flatten().collect()
}

/// Does two pieces of work at once: `work`, and a program whose output is kept until both are done, so that the two do not mix.
///
/// # Errors
/// Where either fails; the other goes on to its end all the same.
pub fn beside<T>(program: &mut Command, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (worked, ran) = thread::scope(|scope| {
        let program = scope.spawn(|| run_quietly(program));
        (work(), program.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (ended, output) = ran?;
    std::io::stderr().write_all(&output)?;
    let worked = worked?;
    ended.map(|()| worked)
}

/// Runs a program to its end. Gives how it ended, and what it wrote, in its order.
fn run_quietly(program: &mut Command) -> Result<(Result<()>, Vec<u8>)> {
    let (mut reader, writer) = std::io::pipe()?;
    program.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = program.spawn().with_context(|| format!("cannot start {}", line(program)))?;
    // This process's own ends of the pipe: with them it would have no end.
    program.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = Vec::new();
    reader.read_to_end(&mut output)?;
    Ok((check(program, child.wait()?), output))
}

/// A call of cargo from the root of the repository.
pub fn cargo(arguments: &[&str]) -> Command {
    // The cargo that runs this program: the one the developer chose.
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(root());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_package(name)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Whether `cargo run` has set a variable of this name for this program. The build script of `ring` looks at them: passed on, they
/// would have every direct call of cargo compile `ring`, and all that stands on it, once more.
fn is_of_this_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Runs a program to its end with this one's output.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    check(command, status)
}

/// An error that names the command, unless it ended well.
fn check(command: &Command, status: ExitStatus) -> Result<()> {
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
    check(command, status)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_minutes_and_seconds() {
        assert_eq!(minutes(Duration::from_millis(7900)), "0:07");
        assert_eq!(minutes(Duration::from_secs(754)), "12:34");
    }

    #[test]
    fn a_step_that_fails_is_named() {
        let mut steps = Steps::of(2);
        assert_eq!(steps.step("one", || Ok(1)).unwrap(), 1);
        let error = steps.step("two", || -> Result<()> { bail!("no") }).unwrap_err();
        assert_eq!(error.to_string(), "the step `two` failed");
    }

    #[test]
    fn work_in_parallel_has_its_order_and_the_first_error() {
        let squares = in_parallel(&[1, 2, 3, 4, 5, 6, 7], |number| Ok(number * number));
        assert_eq!(squares.expect("no error"), [1, 4, 9, 16, 25, 36, 49]);
        let failed = in_parallel(&[1, 2, 3], |number| match number {
            2 => bail!("two"),
            number => Ok(*number),
        });
        assert_eq!(failed.expect_err("an error").to_string(), "two");
        assert!(in_parallel(&[], |(): &()| Ok(())).expect("no error").is_empty());
    }

    #[test]
    fn of_two_at_once_each_is_run_and_each_failure_is_told() {
        let shell = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            shell
        };
        let (result, output) = run_quietly(&mut shell("echo one; echo two >&2")).expect("a shell");
        result.expect("it ended well");
        assert_eq!(output, b"one\ntwo\n");

        beside(&mut shell("true"), || Ok(())).expect("both succeed");
        let mut ran = false;
        let failed = beside(&mut shell("exit 3"), || {
            ran = true;
            Ok(())
        });
        assert!(ran && failed.expect_err("an error").to_string().contains("exit status: 3"));
        let failed = beside(&mut shell("true"), || -> Result<()> { bail!("no") });
        assert_eq!(failed.expect_err("an error").to_string(), "no");
    }

    #[test]
    fn cargo_is_called_as_a_developer_calls_it() {
        let cargo = cargo(&["build"]);
        let removed =
            |name: &str| cargo.get_envs().any(|(it, value)| it == name && value.is_none());
        assert!(removed("CARGO_PKG_NAME") && removed("CARGO_MANIFEST_DIR"));
    }
}
