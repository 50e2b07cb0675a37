//! `cargo xtask test`: the whole of CI. CONTRIBUTING.md says why the steps are these.

use std::num::NonZero;
use std::thread;

use anyhow::{Context, Result};

use crate::components::{self, Which, foreign};
use crate::host;
use crate::profile::Profile;
use crate::samples;
use crate::step::{Steps, cargo, minutes, run};
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

/// The host's own crate without optimisation: its unit tests are compiled in less than half the time.
const UNOPTIMISED: &[&str] = &["--config=profile.quick.package.sandloop-host.opt-level=0"];

/// How long each fuzz target of the host runs. Every run has the same inputs, so more time finds no more;
/// `cargo xtask fuzz` is for finding.
const FUZZ_SECONDS: &str = "20";

/// Runs every check; `args` go to `cargo test`.
pub fn test(args: &[String]) -> Result<()> {
    // The one crate that links the engine. It has calls of cargo to itself, each with the same profile and the same
    // features, so that the engine is compiled once.
    let host = host::package(Profile::Quick);
    let mut steps = Steps::of(11);
    let route = steps.step("set-up", setup::for_tests)?;
    steps.step("format", || {
        run(&mut cargo(&["fmt", "--all", "--", "--check"])).context("run `cargo fmt --all`")
    })?;
    steps.step("lints", || lint(OTHERS))?;
    steps.step("components", || components::build(route, Which::All, Profile::Quick))?;
    steps.step("lints of the host", || lint(&host))?;
    steps.step("documentation", docs::build)?;
    steps.step("host", || host::build(Profile::Quick))?;
    steps.step("samples", || samples::build(&host::path(Profile::Quick), &[]))?;
    steps.step("components of other hosts", foreign::build)?;
    steps.step("tests of the host", || host_tests(&host, args))?;
    steps.step("tests", || cargo_test(TESTED, args))?;
    eprintln!("==> everything passed in {}", minutes(steps.elapsed()));
    Ok(())
}

fn lint(packages: &[&str]) -> Result<()> {
    let mut clippy = cargo(&["clippy", "--all-targets"]);
    run(clippy.args(packages).args(["--", "-D", "warnings"]))
}

/// The host's own tests, all with the same engine: the unit tests on the crate without optimisation, the others on the library
/// that the host is made of.
fn host_tests(host: &[&str], args: &[String]) -> Result<()> {
    let unit_tests = [host, UNOPTIMISED, &["--lib"]].concat();
    cargo_test(&unit_tests, args)?;
    cargo_test(&[host, &["--test=*"]].concat(), args)
}

fn cargo_test(packages: &[&str], args: &[String]) -> Result<()> {
    let mut test = cargo(&["test", "--no-fail-fast"]);
    // The suite looks in `target`, and cargo may build elsewhere.
    test.args(packages).args(args).env("SANDLOOP_BIN", host::path(Profile::Quick));
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // A test of the suite waits for most of its time.
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        test.env("RUST_TEST_THREADS", (2 * cores).to_string());
    }
    run(test.env("HOST_FUZZ_SECONDS", FUZZ_SECONDS))
}
