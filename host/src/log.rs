//! What the operator sees: one line for each thing that happened, on standard error.
//!
//! A line never waits for whoever reads it: it goes into a queue in which the host and each tenant have
//! their part, and a thread of its own writes it. Whatever a guest names passes the gate in [`text`] first, and counts for its
//! tenant's part. The standard output of plugins that inherit the host's goes the same way.

pub(crate) mod guest_lines;
pub(crate) mod output;
mod panics;
mod queue;
pub(crate) mod scope;
pub(crate) mod share;
pub mod text;
pub(crate) mod trap;
mod writer;

use std::io;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::config::model::LogLevel;
use crate::log::queue::{LOG, OUTPUT, StandardStream, WriteQueue};
use crate::log::scope::ToQueue;

/// At the end, so long is waited for a reader that reads nothing.
const STALL_MAX: Duration = Duration::from_secs(1);
/// And so long for one that is slow.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// What the log is started with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The least important lines that are still written.
    pub level: LogLevel,
    /// Bytes of lines that may wait.
    pub log_queue: u64,
    /// Bytes of standard output that may wait.
    pub stdout_queue: u64,
}

/// The log's threads. Dropping it writes what is left, unless nobody reads it.
#[must_use = "the log ends with it"]
#[derive(Debug)]
pub struct Log(());

/// Starts the log. `SANDLOOP_LOG`, in the form of `tracing`'s filters, wins over the configuration. A second host in one
/// process keeps the first one's log.
///
/// # Errors
/// When the system has no thread for it.
pub fn start(settings: Settings) -> io::Result<Log> {
    if LOG.get().is_some() {
        return Ok(Log(()));
    }
    let log = Arc::new(WriteQueue::new(StandardStream::Log, settings.log_queue));
    let output = Arc::new(WriteQueue::new(StandardStream::Output, settings.stdout_queue));
    writer::spawn(&log, io::stderr())?;
    writer::spawn(&output, io::stdout())?;
    let is_first = LOG.set(log.clone()).is_ok() && OUTPUT.set(output).is_ok();
    // Somebody else's subscriber stays, and so do their panics.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(settings.level))
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(ToQueue(log));
    if is_first && subscriber.try_init().is_ok() {
        panics::watch();
    }
    Ok(Log(()))
}

/// What is logged.
fn filter(level: LogLevel) -> EnvFilter {
    let wanted = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // The engine's own talk is for its developers.
    let fallback = format!("off,sandloop_host={wanted},sandloop={wanted}");
    EnvFilter::try_from_env("SANDLOOP_LOG").unwrap_or_else(|_| fallback.into())
}

/// Tells the operator how much of the host's own lines was left out since the beginning, if anything.
pub(crate) fn tell_left_out() {
    let lost = LOG.get().map_or(0, |log| log.host.lost.total());
    if 0 < lost {
        tracing::info!(what = "lines left out", of = "log_queue", count = lost, "counted");
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // What is lost of the output is told in the log.
        for queue in [&OUTPUT, &LOG] {
            if let Some(queue) = queue.get() {
                queue.flush(STALL_MAX, FLUSH_MAX);
            }
        }
    }
}
