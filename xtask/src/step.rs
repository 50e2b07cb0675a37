//! A command is a list of steps: each is named, numbered and timed, and the first that fails ends the command.

use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Output, Stdio};
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
}
