//! How Rust becomes WebAssembly here: with rustup's target or, without it, with Debian's compiler.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::tools::DEBIAN_RUST;
use crate::step::{cargo, read, run, succeeds};

/// Which toolchain builds the guests that are written in Rust.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Route {
    /// The developer's own, with the target `wasm32-wasip2`: cargo makes the component.
    Rustup,
    /// Debian's `rustc-web` builds the standard library from source for `wasm32-wasip1`; the module it
    /// makes becomes a component here.
    Debian,
}

/// Forces a route: `rustup` or `debian`.
const VARIABLE: &str = "SANDLOOP_WASM_ROUTE";
const TARGET: &str = "wasm32-wasip2";

/// Makes a route ready: the forced one, or rustup's, or else Debian's.
pub fn ready() -> Result<Route> {
    match std::env::var(VARIABLE).as_deref() {
        Ok("rustup") => rustup(),
        Ok("debian") => debian(),
        Ok(other) => bail!("{VARIABLE} is `{other}`: it can be `rustup` or `debian`"),
        Err(_) => rustup().or_else(|rustup| {
            eprintln!("    {rustup:#}");
            eprintln!("    trying Debian's compiler instead");
            debian().map_err(|debian| neither(&rustup, &debian))
        }),
    }
}

fn rustup() -> Result<Route> {
    if !has_target() {
        eprintln!("    missing: Rust's standard library for {TARGET}, for the plugins");
        let mut rustup = Command::new("rustup");
        run(rustup.args(["target", "add", TARGET]).env("RUST_BACKTRACE", "0"))
            .with_context(|| format!("rustup has no {TARGET} for this toolchain"))?;
        if !has_target() {
            bail!("rustup added {TARGET}, but not to the rustc that is first in PATH");
        }
    }
    Ok(Route::Rustup)
}

fn has_target() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    read(&mut rustc).is_ok_and(|directory| {
        let directory = String::from_utf8_lossy(&directory);
        Path::new(directory.trim()).read_dir().is_ok_and(|mut files| files.next().is_some())
    })
}

fn debian() -> Result<Route> {
    super::ensure(&[&DEBIAN_RUST])?;
    Ok(Route::Debian)
}

fn neither(rustup: &anyhow::Error, debian: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "no way to build WebAssembly from Rust on this machine.\n\
         1. rustup: {rustup:#}\n   \
            remedy: install rustup (https://rustup.rs) and run `rustup target add {TARGET}` online\n\
         2. Debian's compiler: {debian:#}\n   \
            remedy: on Debian 12 or newer, `apt-get install {}`",
        DEBIAN_RUST.packages.join(" ")
    )
}

/// rustfmt and clippy, of the toolchain that runs.
pub fn ensure_checkers() -> Result<()> {
    let missing =
        |name: &str| !cargo(&[name, "--version"]).output().is_ok_and(|o| o.status.success());
    let names: Vec<_> = ["fmt", "clippy"].into_iter().filter(|name| missing(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    eprintln!("    missing: cargo {}, for the checks", names.join(", cargo "));
    if succeeds("rustup", &["--version"]) {
        run(Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]))
    } else {
        super::apt::install(&["rustfmt-web", "rust-web-clippy"])
            .context("please install rustfmt and clippy for this toolchain")
    }
}
