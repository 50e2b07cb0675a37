//! The folders that the instances of a plugin see.

use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::config::directory::{Access, Directory};

/// The folders that the instances of a plugin see, opened once for all of them: what is at their paths later does
/// not matter.
#[derive(Clone)]
pub struct Folders(pub(crate) WasiFilesystemCtx);

impl Folders {
    /// Opens them.
    ///
    /// # Errors
    /// The one that cannot be opened, and why.
    pub fn open(directories: &[Directory]) -> Result<Folders, (Directory, wasmtime::Error)> {
        let mut builder = WasiCtx::builder();
        // The threads that use them are there for that.
        builder.allow_blocking_current_thread(true);
        for directory in directories {
            let permissions = match directory.access {
                Access::Read => FsPerms::ReadOnly,
                Access::Write => FsPerms::ReadWrite,
            };
            let opened = builder.preopened_dir(&directory.host, &directory.guest, permissions);
            opened.map_err(|error| (directory.clone(), error))?;
        }
        Ok(Folders(builder.build().filesystem().clone()))
    }
}
