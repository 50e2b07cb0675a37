//! Set-up: what a command needs from the machine, installed when it is missing and never otherwise.

use anyhow::{Result, bail};

use crate::components::Which;

mod apt;
mod route;
mod tools;

pub use route::{Route, ensure_checkers};
pub use tools::wasm_clang;

use tools::Tool;

/// For building components.
pub fn for_components(which: Which) -> Result<Route> {
    if which == Which::All {
        ensure(&[&tools::WASM_CLANG, &tools::WASM_CPP, &tools::PYTHON])?;
    }
    route::ready()
}

/// For everything that CI runs.
pub fn for_tests() -> Result<Route> {
    ensure(&[
        &tools::WASM_CLANG,
        &tools::WASM_CPP,
        &tools::STRACE,
        &tools::EVENTMACHINE,
        &tools::NETCAT,
    ])?;
    ensure(&[
        &tools::CURL,
        &tools::REGISTRY,
        &tools::OPENSSL,
        &tools::LOAD,
        &tools::NGINX,
        &tools::WEBSOCKETS,
        &tools::BROWSER,
        &tools::PROMETHEUS,
    ])?;
    ensure(&[&tools::RABBITMQ, &tools::PIKA, &tools::NATS])?;
    // The samples of every language, whose compilers npm and pip fetch.
    ensure(&[&tools::NPM, &tools::PYTHON])?;
    route::ready()
}

/// For the measurements.
pub fn for_benches() -> Result<Route> {
    ensure(&[&tools::WASM_CLANG, &tools::WASM_CPP, &tools::EVENTMACHINE])?;
    ensure(&[&tools::LOAD, &tools::NGINX, &tools::PROXIES, &tools::WEB_SERVERS])?;
    ensure(&[&tools::RABBITMQ, &tools::PIKA, &tools::NATS])?;
    route::ready()
}

/// For the JavaScript and Python components.
pub fn for_languages() -> Result<()> {
    ensure(&[&tools::NPM, &tools::PYTHON])
}

/// For the binary that is shipped, for this processor or for another.
pub fn for_dist(foreign: bool) -> Result<()> {
    if foreign {
        ensure(&[&tools::AARCH64, &tools::EMULATOR, &tools::BUBBLEWRAP])
    } else {
        ensure(&[&tools::BINUTILS])
    }
}

/// For the Debian package and its trial.
pub fn for_deb() -> Result<()> {
    ensure(&[&tools::BINUTILS, &tools::DEBIAN_PACKAGING, &tools::DEBIAN_SYSTEM])
}

/// For the root of the image; with what builds images and tries them, where it is more.
pub fn for_image(whole: bool) -> Result<()> {
    ensure(&[&tools::BINUTILS])?;
    if whole { ensure(&[&tools::IMAGES, &tools::BUBBLEWRAP]) } else { Ok(()) }
}

/// For the checks of unit files and manifests.
pub fn for_manifests() -> Result<()> {
    ensure(&[&tools::SYSTEMD, &tools::PYTHON])
}

/// For every command but those of `for_languages` and of what is shipped.
pub fn everything() -> Result<()> {
    ensure_checkers()?;
    for_benches()?;
    for_tests()?;
    Ok(())
}

/// Installs those tools that are missing, in one go.
fn ensure(tools: &[&Tool]) -> Result<()> {
    let missing: Vec<_> = tools.iter().filter(|tool| !(tool.works)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages = Vec::new();
    for tool in &missing {
        eprintln!("    missing: {}, {}", tool.name, tool.why);
        packages.extend(tool.packages);
    }
    let installed = apt::install(&packages);
    let missing: Vec<_> = missing.iter().filter(|tool| !(tool.works)()).collect();
    if missing.is_empty() {
        return Ok(());
    }

    let mut message = match installed {
        Ok(()) => "installed, and still missing:".to_owned(),
        Err(error) => format!("{error:#}. Please install by hand:"),
    };
    for tool in missing {
        message += &format!(
            "\n  - {}, {} (Debian: {}; elsewhere: {})",
            tool.name,
            tool.why,
            tool.packages.join(" "),
            tool.elsewhere
        );
    }
    bail!(message)
}
