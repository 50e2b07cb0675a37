//! Guests written in Rust: each package of `plugins/`, each example of `examples` and `tests/guests`.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::metadata::{self, Package, holds, text};
use super::{Component, Which, adapt};
use crate::profile::Profile;
use crate::root::root;
use crate::setup::Route;
use crate::step::{cargo, read};

/// Builds them all with one call of cargo.
pub fn build(route: Route, which: Which, profile: Profile) -> Result<Vec<Component>> {
    let packages: Vec<_> =
        metadata::packages()?.into_iter().filter(|package| wanted(package, which)).collect();
    let mut build = match route {
        Route::Rustup => cargo(&["build", "--target", "wasm32-wasip2"]),
        Route::Debian => debian_cargo(),
    };
    build.args(["--profile", profile.of_guests(), "--lib", "--examples"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    for package in &packages {
        build.args(["--package", &package.name]);
    }

    let messages = read(&mut build)?;
    let mut components = Vec::new();
    for message in messages.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(message).context("cargo wrote no JSON")?;
        let Some((name, file)) = artifact(&message, &packages) else { continue };
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {file}"))?;
        let bytes = match route {
            Route::Rustup => bytes,
            Route::Debian => {
                adapt::component(&bytes).with_context(|| format!("{name} is no component"))?
            }
        };
        components.push(Component { name, bytes });
    }
    Ok(components)
}

fn wanted(package: &Package, which: Which) -> bool {
    let root = root();
    let others = which == Which::All
        && [root.join("examples"), root.join("tests/guests")].contains(&package.directory);
    others || package.directory.parent() == Some(&root.join("plugins"))
}

/// The name and the file of a message that says "here is a guest".
fn artifact(message: &Value, packages: &[Package]) -> Option<(String, String)> {
    let target = &message["target"];
    if message["reason"] != "compiler-artifact" || !holds(&target["crate_types"], "cdylib") {
        return None;
    }
    let package = packages.iter().find(|package| message["package_id"] == package.id.as_str())?;
    let files = message["filenames"].as_array()?;
    let file = files.iter().map(text).find(|file| file.ends_with(".wasm"))?;
    let name = match holds(&target["kind"], "example") {
        true => text(&target["name"]),
        false => package.name.clone(),
    };
    Some((name, file))
}

/// A build for `wasm32-wasip1`, of modules that are no components: what other hosts run.
pub fn module_build(route: Route) -> Command {
    match route {
        Route::Rustup => cargo(&["build", "--target", "wasm32-wasip1"]),
        Route::Debian => debian_cargo(),
    }
}

/// Debian's cargo, which builds the standard library too: there is none for WebAssembly in its packages.
fn debian_cargo() -> Command {
    const WASI: &str = "/usr/lib/wasm32-wasi";
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo.current_dir(root()).args(["build", "--target", "wasm32-wasip1"]);
    cargo.arg("-Zbuild-std=std,panic_abort");
    // What rustup's cargo has set for this program is not for another toolchain.
    for variable in
        ["RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "CARGO_ENCODED_RUSTFLAGS", "LD_LIBRARY_PATH"]
    {
        cargo.env_remove(variable);
    }
    cargo.env("RUSTC", "/usr/bin/rustc");
    cargo.env("RUSTC_BOOTSTRAP", "1"); // -Zbuild-std on a stable compiler
    cargo.env(
        "RUSTFLAGS",
        format!(
            "-Clink-self-contained=no -Clinker=wasm-ld-19 -Clinker-flavor=wasm-ld \
             -Lnative={WASI} -Clink-arg={WASI}/crt1-reactor.o -Clink-arg=-lc"
        ),
    );
    cargo
}
