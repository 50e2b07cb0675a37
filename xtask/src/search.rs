//! `cargo xtask fuzz` and `cargo xtask soak`: what CI does with the same random numbers each time, for as long as one likes and
//! with new ones.

use std::process::Command;

use anyhow::Result;

use crate::components::{self, Which};
use crate::host;
use crate::profile::Profile;
use crate::setup;
use crate::step::{Steps, cargo, run};

/// The seed: a number is one input, or one mixture; `random` draws it.
const SEED: &str = "FUZZ_SEED";

/// Changed configurations, components and compile caches, for so many minutes each.
pub fn fuzz(minutes: u64) -> Result<()> {
    let mut steps = Steps::of(3);
    let route = steps.step("set-up", || setup::for_components(Which::All))?;
    steps.step("components", || components::build(route, Which::All, Profile::Quick))?;
    let mut test = cargo(&["test", "--test=fuzz"]);
    test.args(host::package(Profile::Quick)).args(["--", "--nocapture"]);
    test.env("HOST_FUZZ_SECONDS", seconds(minutes));
    steps.step("fuzz", || run(draws(&mut test)))
}

/// Random mixtures of hostile guests, for so many minutes each.
pub fn soak(minutes: u64) -> Result<()> {
    let mut steps = Steps::of(4);
    let route = steps.step("set-up", setup::for_tests)?;
    steps.step("components", || components::build(route, Which::All, Profile::Quick))?;
    let sandloop = steps.step("host", || host::build(Profile::Quick))?;
    let mut test = cargo(&["test", "--package=sandloop-tests", "--test=suite", "--"]);
    test.args(["soak::", "--nocapture", "--test-threads=1"]).env("SANDLOOP_BIN", sandloop);
    test.env("SOAK_SECONDS", seconds(minutes));
    steps.step("soak", || run(draws(&mut test)))
}

fn seconds(minutes: u64) -> String {
    (minutes * 60).to_string()
}

/// New seeds, unless the developer asks for one.
fn draws(command: &mut Command) -> &mut Command {
    match std::env::var_os(SEED) {
        Some(_) => command,
        None => command.env(SEED, "random"),
    }
}
