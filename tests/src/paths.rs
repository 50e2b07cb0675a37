//! Where the things under test are.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the suite is a member of the workspace")
}

/// The host's binary: `SANDLOOP_BIN`, or the one that `cargo xtask plugins` leaves.
pub fn binary() -> PathBuf {
    let path = match env::var_os("SANDLOOP_BIN") {
        Some(path) => PathBuf::from(path),
        None => workspace().join("target/release/sandloop"),
    };
    present(path)
}

/// The component of a plugin, an example or a test guest, by name.
pub fn component(name: &str) -> PathBuf {
    present(workspace().join("target/plugins").join(format!("{name}.wasm")))
}

fn present(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "{} is missing; run `cargo xtask plugins`", path.display());
    path
}
