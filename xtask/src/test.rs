//! `cargo xtask test`: the whole of CI. CONTRIBUTING.md says why the steps are these.

use std::num::NonZero;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

use crate::components::{self, Which, foreign};
use crate::host;
use crate::profile::Profile;
use crate::samples;
use crate::step::{Steps, beside, cargo, minutes, run};
use crate::{docs, setup};

/// All other crates, for calls that need not link guests.
pub const OTHERS: &[&str] = &["--workspace", "--exclude", "sandloop-host"];

/// The crates besides the host with tests that run on this machine.
const TESTED: &[&str] = &[
    "--package=sandloop",
    "--features=sandloop/amqp,sandloop/frames,sandloop/http",
    "--package=sandloop-amqp",
    "--package=sandloop-frames",
    "--package=sandloop-http",
    "--package=sandloop-testkit",
    "--package=xtask",
    "--package=sandloop-benches",
    "--package=sandloop-tests",
];

/// Parts of the names of tests that compute for as long as they may: attacks, and what a page has an author build. They run one after
/// the other, beside all the others, which wait for most of their time.
const COMPUTING: &[&str] = &["hostile", "host_memory::", "pages::", "soak::"];

/// The host's own crate without optimisation: its unit tests are compiled in less than half the time.
const UNOPTIMISED: &[&str] = &["--config=profile.quick.package.sandloop-host.opt-level=0"];

/// The variable that says how many tests run at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// How long each fuzz target of the host runs. Every run has the same inputs, so more time finds no more;
/// `cargo xtask fuzz` is for finding.
const FUZZ_SECONDS: &str = "20";

/// Runs every check; `args` go to `cargo test`.
pub fn test(args: &[String]) -> Result<()> {
    // The one crate that links the engine. It has calls of cargo to itself, each with the same profile and the same
    // features, so that the engine is compiled once.
    let host = host::package(Profile::Quick);
    let mut steps = Steps::of(10);
    steps.step("format", || {
        setup::ensure_checkers()?;
        run(&mut cargo(&["fmt", "--all", "--", "--check"])).context("run `cargo fmt --all`")
    })?;
    // What is installed is waited for, and these lints need none of it.
    let route = steps.step("set-up and lints", || beside(&mut lint(OTHERS), setup::for_tests))?;
    steps.step("components", || components::build(route, Which::All, Profile::Quick))?;
    steps.step("lints of the host", || run(&mut lint(&host)))?;
    steps.step("documentation", docs::build)?;
    steps.step("host", || host::build(Profile::Quick))?;
    steps.step("samples", || samples::build(&host::path(Profile::Quick), &[]))?;
    steps.step("components of other hosts", foreign::build)?;
    steps.step("tests, compiled", || all_tests(&host).into_iter().try_for_each(compile))?;
    steps.step("tests", || match args {
        [] => test_beside(&host),
        chosen => all_tests(&host).into_iter().try_for_each(|mut test| run(test.args(chosen))),
    })?;
    eprintln!("==> everything passed in {}", minutes(steps.elapsed()));
    Ok(())
}

fn lint(packages: &[&str]) -> Command {
    let mut clippy = cargo(&["clippy", "--all-targets"]);
    clippy.args(packages).args(["--", "-D", "warnings"]);
    clippy
}

/// The calls of cargo that run all tests: the host's unit tests on its crate without optimisation, the host's other tests on the
/// library that the host is made of, and those of everything else.
fn all_tests(host: &[&str]) -> [Command; 3] {
    let unit_tests = [host, UNOPTIMISED, &["--lib"]].concat();
    [cargo_test(&unit_tests), cargo_test(&[host, &["--test=*"]].concat()), cargo_test(TESTED)]
}

fn compile(mut test: Command) -> Result<()> {
    run(test.arg("--no-run"))
}

/// Runs all tests, those that compute for long beside the others.
fn test_beside(host: &[&str]) -> Result<()> {
    let mut computing = cargo_test(TESTED);
    computing.arg("--").args(COMPUTING).env(THREADS, "1");
    beside(&mut computing, || {
        let [unit_tests, others_of_host, mut rest] = all_tests(host);
        rest.arg("--").args(COMPUTING.iter().flat_map(|name| ["--skip", name]));
        [unit_tests, others_of_host, rest].iter_mut().try_for_each(run)
    })
}

fn cargo_test(packages: &[&str]) -> Command {
    let mut test = cargo(&["test", "--no-fail-fast"]);
    // The suite looks in `target`, and cargo may build elsewhere.
    test.args(packages).env("SANDLOOP_BIN", host::path(Profile::Quick));
    if std::env::var_os(THREADS).is_none() {
        // A test of the suite waits for most of its time.
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        test.env(THREADS, (2 * cores).to_string());
    }
    test.env("HOST_FUZZ_SECONDS", FUZZ_SECONDS);
    test
}
