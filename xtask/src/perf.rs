//! `cargo xtask perf`: what the host promises about time and memory, with a verdict. CI does not run it: its verdicts want a
//! machine that does nothing else.

use anyhow::Result;

use crate::components::{self, Which};
use crate::host;
use crate::profile::Profile;
use crate::setup;
use crate::step::{Steps, cargo, run};

/// Measures the optimised host, or the quick one; `args` go to the measurement.
pub fn perf(args: &[String], profile: Profile) -> Result<()> {
    let mut steps = Steps::of(4);
    let route = steps.step("set-up", || setup::for_components(Which::All))?;
    steps.step("components", || components::build(route, Which::All, profile))?;
    let what = format!("host, profile {}", profile.name());
    let sandloop = steps.step(&what, || host::build(profile))?;
    let mut perf = cargo(&["run", "--package=sandloop-tests", "--bin=perf", "--"]);
    steps.step("perf", || run(perf.args(args).env("SANDLOOP_BIN", sandloop)))
}
