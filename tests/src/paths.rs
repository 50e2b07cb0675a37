//! The paths of the programs and components under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the suite is a member of the workspace")
}

/// The host's binary: `SANDLOOP_BIN`, or the one of `cargo xtask` that was built last.
pub fn binary() -> PathBuf {
    let named = env::var_os("SANDLOOP_BIN").map(PathBuf::from);
    present(named.unwrap_or_else(built_last))
}

fn built_last() -> PathBuf {
    let built = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
    let profiles = ["quick", "release"].map(|profile| format!("target/{profile}/sandloop"));
    let paths = profiles.map(|path| workspace().join(path));
    paths.into_iter().max_by_key(built).expect("there are two")
}

/// The component of a plugin, an example or a test guest, by name.
pub fn component(name: &str) -> PathBuf {
    present(workspace().join("target/plugins").join(format!("{name}.wasm")))
}

/// A Python that has `websockets`.
pub fn python() -> &'static str {
    python_with("websockets")
}

/// A Python that has a module: the one in `PATH`, or Debian's, which has its packages.
pub fn python_with(module: &str) -> &'static str {
    let import = format!("import {module}");
    let has = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", &import]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(has);
    python.unwrap_or_else(|| panic!("no Python has {module}; run `cargo xtask setup`"))
}

/// Node.js, with the modules that Debian packages.
pub fn node() -> Command {
    let mut command = Command::new("node");
    let path = env::var_os("NODE_PATH").unwrap_or_default();
    let mut paths: Vec<_> = env::split_paths(&path).collect();
    paths.push(PathBuf::from("/usr/share/nodejs"));
    command.env("NODE_PATH", env::join_paths(paths).expect("NODE_PATH is a list of paths"));
    command
}

fn present(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "{} is missing; run `cargo xtask plugins`", path.display());
    path
}
