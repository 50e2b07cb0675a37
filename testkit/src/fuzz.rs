//! Rounds of a fuzz test, each with noise of its own seed.
//!
//! Without a variable the seeds are the same in every run, so that CI can be repeated.
//!
//! | variable | says |
//! | --- | --- |
//! | `FUZZ_SEED=0x1f`, `FUZZ_SEED=31` | only the round with this seed, as a failure names it |
//! | `FUZZ_SEED=random` | the rounds begin at a seed that is drawn, and printed |
//! | `FUZZ_SECONDS=600` | rounds for that time, instead of the number that the test has |

use std::{
    env,
    hash::{BuildHasher as _, RandomState},
    thread,
    time::{Duration, Instant},
};

use crate::Noise;

/// What `FUZZ_SEED` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seed {
    /// Nothing.
    Fixed,
    /// This one.
    Given(u64),
    Random,
}

/// Calls `check` with noise of `count` seeds, unless `FUZZ_SEED` or `FUZZ_SECONDS` says otherwise. Returns how often,
/// for tests that expect something of many rounds.
///
/// # Panics
/// As `check` does; then the seed is printed with the command that repeats it. If a variable cannot be read.
pub fn rounds(count: u64, check: impl FnMut(&mut Noise)) -> u64 {
    rounds_of("FUZZ_SECONDS", count, check)
}

/// As [`rounds`], for a test whose time another variable says than `FUZZ_SECONDS`.
///
/// # Panics
/// As [`rounds`].
pub fn rounds_of(seconds: &str, count: u64, mut check: impl FnMut(&mut Noise)) -> u64 {
    let first = match seed() {
        Seed::Given(seed) => {
            run(seed, &mut check);
            return 1;
        }
        Seed::Fixed => 0,
        Seed::Random => draw(),
    };
    let Some(time) = time(seconds) else {
        (0..count).for_each(|round| run(first.wrapping_add(round), &mut check));
        return count;
    };
    let begun = Instant::now();
    let mut looked = 0;
    while begun.elapsed() < time {
        run(first.wrapping_add(looked), &mut check);
        looked += 1;
    }
    println!("{looked} inputs in {time:?}");
    looked
}

/// Calls `check` once, with noise of the seed in `FUZZ_SEED`, or else of `fixed`: for a test that is one long round.
///
/// # Panics
/// As [`rounds`].
pub fn once(fixed: u64, check: impl FnOnce(&mut Noise)) {
    let seed = match seed() {
        Seed::Given(seed) => seed,
        Seed::Fixed => fixed,
        Seed::Random => draw(),
    };
    let _repeat = Repeat(seed);
    check(&mut Noise::new(seed));
}

fn run(seed: u64, check: &mut impl FnMut(&mut Noise)) {
    let _repeat = Repeat(seed);
    check(&mut Noise::new(seed));
}

/// Prints how to repeat a round, if it panics.
struct Repeat(u64);

impl Drop for Repeat {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("repeat it with: {}", command(self.0));
        }
    }
}

/// Cargo names the package to the tests that it runs, and their harness calls a test's thread by its name.
fn command(seed: u64) -> String {
    let package = env::var("CARGO_PKG_NAME").map(|name| format!(" -p {name}")).unwrap_or_default();
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    let current = thread::current();
    let test = current.name().filter(|name| *name != "main").map(|name| format!(" {name}"));
    format!("FUZZ_SEED={seed:#x} cargo test{release}{package}{}", test.unwrap_or_default())
}

/// A seed of the operating system's randomness.
fn draw() -> u64 {
    let seed = RandomState::new().hash_one(());
    println!("FUZZ_SEED=random: the seeds begin at {seed:#x}");
    seed
}

fn seed() -> Seed {
    match env::var("FUZZ_SEED") {
        Err(_) => Seed::Fixed,
        Ok(text) => read(&text)
            .unwrap_or_else(|| panic!("FUZZ_SEED={text}: write a number, 0x and hex, or random")),
    }
}

fn read(text: &str) -> Option<Seed> {
    if text == "random" {
        return Some(Seed::Random);
    }
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.ok().map(Seed::Given)
}

fn time(variable: &str) -> Option<Duration> {
    let text = env::var(variable).ok()?;
    let seconds = text.parse().unwrap_or_else(|_| panic!("{variable}={text}: write seconds"));
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_number_or_random() {
        assert_eq!(read("31"), Some(Seed::Given(31)));
        assert_eq!(read("0x1f"), Some(Seed::Given(31)));
        assert_eq!(read("random"), Some(Seed::Random));
        for wrong in ["", "x", "0x", "-1", "1f"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_command_is_of_this_test() {
        let command = command(31);
        assert!(command.starts_with("FUZZ_SEED=0x1f cargo test"), "{command}");
        assert!(command.ends_with("the_command_is_of_this_test"), "{command}");
    }
}
