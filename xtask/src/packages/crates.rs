//! The crates of Rust's SDK: packaged and verified by cargo, and then what a plugin outside the tree depends on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{exchange, folder_of_packages};
use crate::host;
use crate::profile::Profile;
use crate::setup::Route;
use crate::step::{cargo, run};

/// Each after those that it depends on.
const CRATES: [&str; 4] = ["sandloop-amqp", "sandloop-frames", "sandloop-http", "sandloop"];

const MANIFEST: &str = r#"[package]
name = "outside"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
sandloop = { version = "0.1", features = ["amqp", "frames", "http"] }

[workspace]
"#;

const SOURCE: &str = r#"use sandloop::{Connection, Socket};

struct Echo(Socket);

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }
}

sandloop::plugin! { handlers: [Echo] }

#[test]
fn timers_fire_on_the_clock_of_the_test() {
    use std::{cell::Cell, rc::Rc, time::Duration};

    let fired = Rc::new(Cell::new(false));
    let seen = fired.clone();
    sandloop::add_timer(Duration::from_secs(5), move || seen.set(true));
    sandloop::testing::advance(Duration::from_secs(5));
    assert!(fired.get());
}
"#;

const CONFIGURATION: &str = r#"[plugins.outside]
component = "outside.wasm"

[[listen]]
address = "tcp://127.0.0.1:0"
plugin = "outside"
"#;

/// Has cargo make the `.crate` files, and build each from what is in it and nothing else.
pub fn make() -> Result<PathBuf> {
    let folder = folder_of_packages().join("crates");
    // What the tree has now is what is packaged, committed or not.
    let mut package = cargo(&["package", "--allow-dirty", "--target-dir"]);
    package.arg(&folder);
    for name in CRATES {
        package.args(["--package", name]);
    }
    run(&mut package)?;
    Ok(folder.join("package"))
}

/// Builds, tests and serves a plugin that has them from their packages.
pub fn check(packages: &Path, route: Route) -> Result<()> {
    let project = tempfile::tempdir().context("no temporary folder")?;
    let path = project.path();
    fs::create_dir(path.join("src"))?;
    fs::write(path.join("src/lib.rs"), SOURCE)?;
    fs::write(path.join("plugins.toml"), CONFIGURATION)?;
    let mut manifest = MANIFEST.to_owned() + "[patch.crates-io]\n";
    for name in CRATES {
        let file = packages.join(format!("{name}-{}.crate", env!("CARGO_PKG_VERSION")));
        run(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(path))?;
        let unpacked = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        manifest += &format!("{name} = {{ path = {unpacked:?} }}\n");
    }
    fs::write(path.join("Cargo.toml"), manifest)?;
    let target = packages.with_file_name("outside");
    let mut test = in_project(path, &target, &["test", "--quiet"]);
    run(&mut test)?;
    if route == Route::Debian {
        eprintln!("    served by nobody: that needs rustup's wasm32-wasip2");
        return Ok(());
    }
    run(&mut in_project(path, &target, &["build", "--release", "--target", "wasm32-wasip2"]))?;
    fs::copy(target.join("wasm32-wasip2/release/outside.wasm"), path.join("outside.wasm"))?;
    let mut serve = Command::new(host::build(Profile::Quick)?);
    serve.arg("run").current_dir(path);
    exchange::with(serve, None)
}

fn in_project(project: &Path, target: &Path, arguments: &[&str]) -> Command {
    let mut command = cargo(arguments);
    command.current_dir(project).arg("--target-dir").arg(target);
    command
}
