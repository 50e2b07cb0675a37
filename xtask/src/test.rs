//! `cargo xtask test`: the whole of CI. CONTRIBUTING.md says why the steps are these.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::components::{self, Which};
use crate::step::{cargo, run, step};
use crate::{docs, host, setup};

/// The one crate that links the engine. It has calls of cargo to itself, each with the same profile
/// and the same features, so that the engine is compiled once.
pub const HOST: &[&str] = &["--release", "--package", "sandloop-host"];

/// All other crates, for calls that need not link guests.
pub const OTHERS: &[&str] = &["--workspace", "--exclude", "sandloop-host"];

/// The crates besides the host with tests that run on this machine.
const TESTED: &[&str] = &[
    "--package=sandloop",
    "--features=sandloop/amqp,sandloop/http",
    "--package=sandloop-amqp",
    "--package=sandloop-http",
    "--package=xtask",
    "--package=sandloop-benches",
    "--package=sandloop-tests",
];

/// How long each fuzz target of the host looks for something.
const FUZZ_SECONDS: &str = "60";

/// Runs every check; `args` go to `cargo test`.
pub fn test(args: &[String]) -> Result<()> {
    let start = Instant::now();
    let route = step("set-up", setup::for_tests)?;
    step("format", || {
        run(&mut cargo(&["fmt", "--all", "--", "--check"])).context("run `cargo fmt --all`")
    })?;
    step("lints", || lint(OTHERS))?;
    step("components", || components::build(route, Which::All))?;
    step("lints of the host", || lint(HOST))?;
    step("documentation", docs::build)?;
    step("host", host::build)?;
    step("tests of the host", || cargo_test(HOST, args))?;
    step("tests", || cargo_test(TESTED, args))?;
    eprintln!("==> everything passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn lint(packages: &[&str]) -> Result<()> {
    let mut clippy = cargo(&["clippy", "--all-targets"]);
    run(clippy.args(packages).args(["--", "-D", "warnings"]))
}

fn cargo_test(packages: &[&str], args: &[String]) -> Result<()> {
    let mut test = cargo(&["test", "--no-fail-fast"]);
    // The suite looks in `target`, and cargo may build elsewhere.
    test.args(packages).args(args).env("SANDLOOP_BIN", host::path());
    run(test.env("HOST_FUZZ_SECONDS", FUZZ_SECONDS))
}

/// Builds what the soak needs, then runs it for so many minutes.
pub fn soak(minutes: u64) -> Result<()> {
    let route = step("set-up", setup::for_tests)?;
    step("components", || components::build(route, Which::All))?;
    step("host", host::build)?;
    let mut test = cargo(&["test", "--package=sandloop-tests", "--test=suite", "--"]);
    test.args(["soak::", "--nocapture", "--test-threads=1"]).env("SANDLOOP_BIN", host::path());
    step("soak", || run(test.env("SOAK_SECONDS", (minutes * 60).to_string())))
}
