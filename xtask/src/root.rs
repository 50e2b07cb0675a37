//! Where things are in the tree.

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    let xtask =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().expect("xtask/ stands in the repository").to_owned()
}

/// Where cargo builds: `target`, unless the developer moved it.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// Every component, as `NAME.wasm`: here wherever cargo builds, because configurations name it.
pub fn components() -> PathBuf {
    root().join("target/plugins")
}
