//! WASI 0.2 with what is granted: the folders and environment variables of the plugin's section, no sockets.
//! Standard output and standard error become lines of the plugin.
//!
//! What touches a file system runs on the threads of the runtime for WASI: the call is suspended meanwhile, as
//! it is while a guest sleeps, and the reactor goes on.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use super::HostState;
use super::bindings::Level;
use crate::clock::Clock;
use crate::config::{Access, Directory, Stdout};
use crate::plugin::Plugin;

/// Most random bytes that one call brings: making them takes about a slice, during which nothing can interrupt it.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The WASI side of one instance.
pub struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

/// Links WASI. The asynchronous form: a guest that sleeps suspends itself, not the loop.
pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// The folders that the instances of a plugin see, opened once for all of them: what is at their paths later does
/// not matter.
#[derive(Clone)]
pub struct Folders(WasiFilesystemCtx);

impl Folders {
    /// Opens them.
    ///
    /// # Errors
    /// The one that cannot be opened, and why.
    pub fn open(directories: &[Directory]) -> Result<Folders, (Directory, wasmtime::Error)> {
        let mut builder = WasiCtx::builder();
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

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (plugin, clock) = (&self.plugin, &self.home.clock);
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(plugin, clock)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

impl Wasi {
    fn new(plugin: &Arc<Plugin>, clock: &Clock) -> Wasi {
        let stream = |name, level| Lines {
            plugin: plugin.clone(),
            clock: clock.clone(),
            stream: name,
            level,
            raw: name == "stdout" && plugin.config.stdout == Stdout::Inherit,
            begun: Vec::new(),
            full: false,
        };
        let mut context = WasiCtx::builder()
            .stdout(stream("stdout", Level::Info))
            .stderr(stream("stderr", Level::Warn))
            .envs(&plugin.config.environment)
            .max_random_size(RANDOM_BYTES_MAX)
            .build();
        *context.filesystem() = plugin.folders.0.clone();
        let mut table = ResourceTable::new();
        table.set_max_capacity(plugin.config.limits.handles as usize);
        Wasi { context, table }
    }
}

/// A standard stream of a guest, cut into lines.
#[derive(Clone)]
struct Lines {
    plugin: Arc<Plugin>,
    clock: Clock,
    stream: &'static str,
    level: Level,
    /// Copied to the host's standard output as it is.
    raw: bool,
    begun: Vec<u8>,
    /// Whether the rest of this line is left out because it is too long.
    full: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        if self.raw {
            // Nobody reads standard output any more: the plugin cannot help it and goes on.
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
            return;
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if !self.full {
                self.begun.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
                self.full = self.plugin.config.limits.log_line as usize <= self.begun.len();
            }
            if piece.ends_with(b"\n") {
                self.write_line();
            }
        }
    }

    fn write_line(&mut self) {
        // A panic in Rust begins with an empty line, which tells an operator nothing.
        if !self.begun.is_empty() {
            let line = String::from_utf8_lossy(&self.begun);
            self.plugin.log_line(self.clock.now(), self.level, self.stream, &line);
        }
        self.begun.clear();
        self.full = false;
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.begun.is_empty() {
            self.write_line();
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

/// Bytes that a guest may write at once.
const PERMIT: usize = 64 * 1024;

#[async_trait::async_trait]
impl OutputStream for Lines {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
