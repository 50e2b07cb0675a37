//! `cargo xtask conformance`: public test suites against the built product. CI does not run it: the suites come from
//! registries, and take minutes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::components::{self, Which};
use crate::host;
use crate::profile::Profile;
use crate::root::{root, target};
use crate::samples::digest_of;
use crate::setup;
use crate::step::{Steps, cargo, run};

/// Autobahn's cases for WebSockets, and a runner for them.
const AUTOBAHN: &str = "kosoku==0.1.0";

/// What looks for known faults of servers of TLS.
const TLS_SCAN: &str = "sslyze==6.3.1";

/// A release that still brings the cookies of the IETF's working group http-state.
const COOKIES: &str = "tough-cookie@2.0.0";

/// What makes components of JavaScript for any host, and the version of `wasi:http` that its `fetch` knows. It is not in CI, since it
/// takes a minute.
const JCO: &[&str] = &["@bytecodealliance/jco@1.20.0", "@bytecodealliance/componentize-js@0.20.0"];
const JCO_HTTP: &str = "0.2.10";
/// The version in `host/wasi/deps`.
const HTTP: &str = "0.2.12";

/// Runs the suites, or those of these names.
pub fn conformance(args: &[String], profile: Profile) -> Result<()> {
    let mut steps = Steps::of(5);
    let route = steps.step("set-up", || {
        setup::for_languages()?;
        setup::for_components(Which::All)
    })?;
    let tools = target().join("conformance");
    steps.step("suites", || get(&tools))?;
    steps.step("components", || components::build(route, Which::All, profile))?;
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
    componentize_js(tools)
}

/// Makes a component of `tests/guests/foreign/served.js`, as its tool has it for any host.
fn componentize_js(tools: &Path) -> Result<()> {
    let source = root().join("tests/guests/foreign");
    let component = tools.join("served.wasm");
    let program = source.join("served.js");
    let inputs = digest_of(&[&program])?.to_string();
    let stamp = tools.join("served.inputs");
    if component.exists() && fs::read_to_string(&stamp).is_ok_and(|known| known == inputs) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-fund", "--no-audit", "--silent", "--prefix"]).arg(tools);
    run(npm.args(JCO)).with_context(|| not_had("jco", "npm", "npm"))?;
    let wit = tools.join("wit");
    fs::create_dir_all(wit.join("deps"))?;
    let deps = root().join("host/wasi/deps");
    let files = ["clocks.wit", "http.wit", "io.wit"]
        .map(|file| (deps.join(file), wit.join("deps").join(file)));
    let world = (source.join("world.wit"), wit.join("world.wit"));
    for (from, to) in files.into_iter().chain([world]) {
        fs::write(to, fs::read_to_string(&from)?.replace(HTTP, JCO_HTTP))?;
    }
    let mut jco = Command::new(tools.join("node_modules/.bin/jco"));
    jco.arg("componentize").arg(program).arg("--wit").arg(&wit).args(["-n", "proxy", "-o"]);
    run(jco.arg(&component))?;
    fs::write(stamp, inputs)?;
    Ok(())
}
