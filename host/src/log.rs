//! What the operator sees: one line for each thing that happened, on standard error.
//!
//! A line never waits for whoever reads it: it goes into a queue in which the host and each tenant have
//! their part, and a thread of its own writes it. Whatever a guest names passes the gate in [`text`] first, and counts for its
//! tenant's part. The standard output of plugins that inherit the host's goes the same way.

pub mod filter;
mod format;
pub(crate) mod guest_lines;
pub(crate) mod output;
mod queue;
pub(crate) mod scope;
pub(crate) mod share;
pub mod text;
pub(crate) mod trap;
mod writer;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::config::model::{LogFormat, LogLevel};
use crate::log::filter::Filter;
use crate::log::format::{LineFormat, has_colours};
use crate::log::queue::{LOG, OUTPUT, StandardStream, WriteQueue};
use crate::log::scope::ToQueue;

/// The bounds of the two queues where no configuration says otherwise, in bytes.
pub const QUEUES: (u64, u64) = (16 << 20, 16 << 20);

/// How long the end waits for a reader that reads nothing.
const STALL_MAX: Duration = Duration::from_secs(1);
/// How long it waits for one that is slow.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// What the log is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the operator wants instead of the level.
    pub filter: Option<Filter>,
    /// The least important lines that are still written.
    pub level: LogLevel,
    /// How a line is written.
    pub format: LogFormat,
    /// Bytes of lines that may wait.
    pub log_queue: u64,
    /// Bytes of standard output that may wait.
    pub stdout_queue: u64,
}

/// The log's threads. Dropping it writes what is left, unless nobody reads it.
#[must_use = "the log ends with it"]
#[derive(Debug)]
pub struct Log(());

/// Starts the log. A filter of the operator's wins over the level of the configuration. A second host in one process keeps
/// the first one's log.
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
    let filter = settings.filter.unwrap_or_else(|| settings.level.into());
    let format = LineFormat::new(settings.format, &io::stderr());
    format.settle();
    let is_text = settings.format == LogFormat::Text;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter.to_string()))
        .with_ansi(is_text && has_colours(&io::stderr()))
        .event_format(format)
        .with_writer(ToQueue(log));
    if is_first {
        // Somebody else's subscriber stays.
        let _ = subscriber.try_init();
    }
    Ok(Log(()))
}

/// Tells the operator how much of the host's own lines was left out since the beginning, if anything.
pub(crate) fn tell_left_out() {
    let lost = left_out();
    if 0 < lost {
        tracing::info!(what = "lines left out", of = "log_queue", count = lost, "counted");
    }
}

/// How many of the host's own lines were left out since the beginning.
pub(crate) fn left_out() -> u64 {
    LOG.get().map_or(0, |log| log.host.lost.total())
}

/// The lines of a log that nobody writes: whoever has it takes them.
#[derive(Debug)]
pub struct KeptLog(Arc<WriteQueue>);

/// Keeps the log, every line one JSON object, for whoever takes it: what guests say of any level, and what the host says of
/// `level` or more important. None where the process has a log already.
///
/// # Errors
/// When the system has no thread for the standard output of plugins.
pub fn keep(level: LogLevel) -> io::Result<Option<KeptLog>> {
    let log = Arc::new(WriteQueue::new(StandardStream::Log, QUEUES.0));
    if LOG.set(log.clone()).is_err() {
        return Ok(None);
    }
    let output = Arc::new(WriteQueue::new(StandardStream::Output, QUEUES.1));
    writer::spawn(&output, io::stdout())?;
    let _ = OUTPUT.set(output);
    let format = LineFormat::objects();
    format.settle();
    let filter = format!("{},{}=trace", Filter::from(level), guest_lines::TARGET);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .event_format(format)
        .with_writer(ToQueue(log.clone()));
    // Somebody else's subscriber stays.
    let _ = subscriber.try_init();
    Ok(Some(KeptLog(log)))
}

impl KeptLog {
    /// The lines that have come since it was asked last.
    pub fn take(&self) -> Vec<u8> {
        self.0.drain()
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
