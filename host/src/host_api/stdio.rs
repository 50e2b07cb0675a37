//! Standard output and standard error of a guest, cut into lines.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::clock::Clock;
use crate::config::bound::Limit;
use crate::config::limits;
use crate::config::model::Stdout;
use crate::contract::bindings::Level;
use crate::host_api::guest_output::{GuestOutput, is_advice};
use crate::log::output;
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::lines::PluginLines;
use crate::quota::budget::Reservation;

/// The most bytes of one write, which `check-write` returns. A longer write traps, as WASI specifies; so the work of one
/// call is bounded.
pub(crate) const PERMIT: usize = 64 * 1024;

/// The stream's name in log lines.
const STDERR: &str = "stderr";

/// A standard stream of a guest, cut into lines. Each handle has an incomplete line of its own.
pub(crate) struct Lines {
    plugin: Arc<Plugin>,
    clock: Clock,
    output: GuestOutput,
    stream: &'static str,
    level: Level,
    /// Whether it is copied to the host's standard output unchanged.
    is_raw: bool,
    /// The incomplete line, at most `log_line` bytes.
    begun: Vec<u8>,
    /// The same bytes, reserved of the tenant's budget; none if there is no incomplete line.
    counted: Option<Reservation>,
    /// Whether the rest of this line is dropped because it is too long.
    is_full: bool,
}

impl Lines {
    /// Standard output.
    pub(super) fn stdout(plugin: &Arc<Plugin>, clock: &Clock, output: &GuestOutput) -> Lines {
        let is_raw = plugin.config.stdout == Stdout::Inherit;
        Lines::new(plugin, clock, output, is_raw, ("stdout", Level::Info))
    }

    /// Standard error.
    pub(super) fn stderr(plugin: &Arc<Plugin>, clock: &Clock, output: &GuestOutput) -> Lines {
        Lines::new(plugin, clock, output, false, (STDERR, Level::Warn))
    }

    fn new(
        plugin: &Arc<Plugin>,
        clock: &Clock,
        output: &GuestOutput,
        is_raw: bool,
        (stream, level): (&'static str, Level),
    ) -> Lines {
        Lines {
            plugin: plugin.clone(),
            clock: clock.clone(),
            output: output.clone(),
            stream,
            level,
            is_raw,
            begun: Vec::new(),
            counted: None,
            is_full: false,
        }
    }

    /// Another handle on the same stream.
    fn another(&self) -> Lines {
        Lines::new(&self.plugin, &self.clock, &self.output, self.is_raw, (self.stream, self.level))
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.is_raw {
            return output::write(&self.plugin.tenant.log, bytes);
        }
        let plugin = self.plugin.clone();
        let subject = self.output.subject();
        let mut lines = plugin.lines(self.clock.now(), self.level, self.stream, subject);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) if self.begun.is_empty() && !self.is_full => {
                    self.add(&mut lines, end, false);
                }
                Some(end) => {
                    self.keep(end);
                    self.end_line(&mut lines);
                }
                None => self.keep(piece),
            }
        }
    }

    /// Appends to the incomplete line, as far as there is room.
    fn keep(&mut self, piece: &[u8]) {
        if self.is_full {
            return;
        }
        let room = self.line_max().saturating_sub(self.begun.len());
        let kept = &piece[..piece.len().min(room)];
        self.is_full |= kept.len() < piece.len();
        if kept.is_empty() || !self.count(kept.len()) {
            return;
        }
        self.begun.extend_from_slice(kept);
    }

    /// Reserves bytes of the tenant's budget; if it has no room, the rest of the line is dropped.
    fn count(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let memory = &self.plugin.tenant.host_memory;
        let fits = match &mut self.counted {
            Some(counted) => counted.grow(bytes),
            None => {
                self.counted = memory.reserve(bytes);
                self.counted.is_some()
            }
        };
        if !fits {
            self.is_full = true;
            self.plugin.counters.add(CounterKey::Limit(Limit::Of(&limits::HOST_MEMORY)));
        }
        fits
    }

    fn end_line(&mut self, lines: &mut PluginLines<'_>) {
        let begun = std::mem::take(&mut self.begun);
        let is_full = std::mem::take(&mut self.is_full);
        self.counted = None;
        self.add(lines, &begun, is_full);
    }

    fn add(&self, lines: &mut PluginLines<'_>, line: &[u8], is_cut: bool) {
        // The output of a panic in Rust begins with an empty line.
        let is_of_stderr = self.stream == STDERR;
        let is_worthless = line.is_empty() || is_of_stderr && is_advice(line);
        if !is_worthless {
            lines.add(line, is_cut);
            if is_of_stderr {
                self.output.note_line(&self.plugin, line);
            }
        }
    }

    fn line_max(&self) -> usize {
        usize::try_from(self.plugin.config.limits.log_line).unwrap_or(usize::MAX)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.begun.is_empty() {
            let plugin = self.plugin.clone();
            let subject = self.output.subject();
            let mut lines = plugin.lines(self.clock.now(), self.level, self.stream, subject);
            self.end_line(&mut lines);
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
        Box::new(self.another())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.another())
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Lines {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        if PERMIT < bytes.len() {
            return Err(StreamError::Trap(wasmtime::format_err!(
                "a write of {} bytes to {}, of which check-write had granted {PERMIT}",
                bytes.len(),
                self.stream
            )));
        }
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
        let bytes = &bytes[..bytes.len().min(PERMIT)];
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
