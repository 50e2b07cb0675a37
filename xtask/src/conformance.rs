//! `cargo xtask conformance`: public test suites against the built product. CI does not run it: the suites come from
//! registries, and take minutes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::components::{self, Which};
use crate::host::{self, Profile};
use crate::root::target;
use crate::setup;
use crate::step::{Steps, cargo, run};

/// Autobahn's cases for WebSockets, and a runner for them.
const AUTOBAHN: &str = "kosoku==0.1.0";

/// What looks for known faults of servers of TLS.
const TLS_SCAN: &str = "sslyze==6.3.1";

/// A release that still brings the cookies of the IETF's working group http-state.
const COOKIES: &str = "tough-cookie@2.0.0";

/// Runs the suites, or those of these names.
pub fn conformance(args: &[String], profile: Profile) -> Result<()> {
    let mut steps = Steps::of(5);
    let route = steps.step("set-up", || {
        setup::for_languages()?;
        setup::for_components(Which::All)
    })?;
    let tools = target().join("conformance");
    steps.step("suites", || get(&tools))?;
    steps.step("components", || components::build(route, Which::All))?;
    let what = format!("host, profile {}", profile.name());
    let sandloop = steps.step(&what, || host::build(profile))?;
    let mut suites = cargo(&["run", "--package=sandloop-tests", "--bin=conformance", "--"]);
    suites.args(args).env("SANDLOOP_BIN", sandloop).env("CONFORMANCE_TOOLS", tools);
    steps.step("conformance", || run(&mut suites))
}

/// What to do where a suite cannot be got.
fn not_had(suite: &str, registry: &str, client: &str) -> String {
    format!(
        "cannot get {suite} from {registry}: see what `{client}` has said; behind a proxy or a mirror set it up for `{client}` first"
    )
}

/// Installs what is missing into a folder of its own.
fn get(tools: &Path) -> Result<()> {
    let python = tools.join("python");
    if !python.join("bin/pip").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
    }
    for (program, suite) in [("kosoku", AUTOBAHN), ("sslyze", TLS_SCAN)] {
        if !python.join("bin").join(program).exists() {
            let mut pip = Command::new(python.join("bin/pip"));
            run(pip.args(["install", "--quiet", "--disable-pip-version-check", suite]))
                .with_context(|| not_had(suite, "PyPI", "pip"))?;
        }
    }
    if !tools.join("node_modules/tough-cookie/test/ietf_data/parser.json").exists() {
        let mut npm = Command::new("npm");
        // Its data is wanted, and nothing of it is run.
        npm.args(["install", "--ignore-scripts", "--no-fund", "--no-audit", "--prefix"]);
        run(npm.arg(tools).arg(COOKIES)).with_context(|| not_had(COOKIES, "npm", "npm"))?;
    }
    Ok(())
}
