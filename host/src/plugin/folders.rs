//! The folders that are granted to a plugin.

use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::config::directory::{Access, Directory};

/// The folders that are granted to a plugin, opened once for all instances: later changes of their paths have no
/// effect.
#[derive(Clone)]
pub struct Folders(pub(crate) WasiFilesystemCtx);

impl Folders {
    /// Opens the folders.
    ///
    /// # Errors
    /// The folder that cannot be opened, and why.
    pub fn open(directories: &[Directory]) -> Result<Folders, (Directory, wasmtime::Error)> {
        let mut builder = WasiCtx::builder();
        // They are used on file threads, which may block.
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
