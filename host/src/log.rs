//! The operator's log: one line for each event, on standard error.
//!
//! Writing a line never waits for its reader: the line goes into a queue in which the host and each tenant have a part of their
//! own, and a thread writes it. Text of a guest is escaped and cut in [`text`] first, and counts for its tenant's part. The
//! standard output of plugins that inherit the host's goes the same way.

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

/// The default bounds of the two queues, in bytes.
pub const QUEUES: (u64, u64) = (16 << 20, 16 << 20);

/// How long the end waits for a reader that does not read.
const STALL_MAX: Duration = Duration::from_secs(1);
/// How long the end waits for a slow reader.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// The settings of the log.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The operator's filter, which overrides the level.
    pub filter: Option<Filter>,
    /// The level of the configuration.
    pub level: LogLevel,
    /// The format of lines.
    pub format: LogFormat,
    /// The most bytes of lines that wait.
    pub log_queue: u64,
    /// The most bytes of standard output that wait.
    pub stdout_queue: u64,
}

/// The log's threads. Dropping it writes what is left, unless the reader does not read.
#[must_use = "the log ends with it"]
#[derive(Debug)]
pub struct Log(());

/// Starts the log. A filter overrides the level of the configuration. A second host in one process keeps the log of the first.
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
        // An existing subscriber stays.
        let _ = subscriber.try_init();
    }
    Ok(Log(()))
}

/// Logs how many of the host's own lines were left out since the start, if any.
pub(crate) fn tell_left_out() {
    let lost = left_out();
    if 0 < lost {
        tracing::info!(what = "lines left out", of = "log_queue", count = lost, "counted");
    }
}

/// The number of the host's own lines that were left out since the start.
pub(crate) fn left_out() -> u64 {
    LOG.get().map_or(0, |log| log.host.lost.total())
}

/// A log that is kept in memory until it is taken.
#[derive(Debug)]
pub struct KeptLog(Arc<WriteQueue>);

/// Keeps the log in memory, each line one JSON object: guests' lines of any level, and the host's of `level` or more important.
/// None if the process has a log already.
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
    // An existing subscriber stays.
    let _ = subscriber.try_init();
    Ok(Some(KeptLog(log)))
}

impl KeptLog {
    /// The lines since the last call.
    pub fn take(&self) -> Vec<u8> {
        self.0.drain()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Omitted output is reported in the log, which is flushed last.
        for queue in [&OUTPUT, &LOG] {
            if let Some(queue) = queue.get() {
                queue.flush(STALL_MAX, FLUSH_MAX);
            }
        }
    }
}
