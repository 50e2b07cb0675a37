//! Standard output and standard error of a guest, cut into lines.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::clock::Clock;
use crate::contract::bindings::Level;
use crate::plugin::Plugin;

/// A standard stream of a guest, cut into lines.
#[derive(Clone)]
pub struct Lines {
    pub(super) plugin: Arc<Plugin>,
    pub(super) clock: Clock,
    pub(super) stream: &'static str,
    pub(super) level: Level,
    /// Copied to the host's standard output as it is.
    pub(super) raw: bool,
    pub(super) begun: Vec<u8>,
    /// Whether the rest of this line is left out because it is too long.
    pub(super) full: bool,
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
pub const PERMIT: usize = 64 * 1024;

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
