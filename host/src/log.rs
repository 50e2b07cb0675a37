//! What the operator sees: one line for each thing that happened, on standard error.

pub mod filter;

use std::borrow::Cow;
use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use wasmtime::WasmBacktrace;

use crate::config::model::LogLevel;
use crate::contract::bindings::Level;
use crate::log::filter::Filter;

/// The log's thread. Dropping it writes what is left.
#[must_use = "the log ends with it"]
pub struct Log {
    _guard: WorkerGuard,
}

/// Lines that may wait to be written; past that they are left out.
const LINES_MAX: usize = 16 * 1024;

/// Starts the log. A filter of the operator's wins over the level of the configuration.
///
/// Lines are written by a thread of their own: whoever reads standard error and stops reading it must not stop
/// the loop.
pub fn start(level: LogLevel, filter: Option<Filter>) -> Log {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let filter = EnvFilter::new(filter.unwrap_or_else(|| level.into()).to_string());
    // A second host in one process keeps the first one's log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer)
        .try_init();
    Log { _guard: guard }
}

/// One line that a plugin wrote.
pub fn guest_line(plugin: &str, level: Level, stream: &'static str, line: &str) {
    let text = escaped(line);
    match level {
        Level::Trace => tracing::trace!(plugin, stream, "{text}"),
        Level::Debug => tracing::debug!(plugin, stream, "{text}"),
        Level::Info => tracing::info!(plugin, stream, "{text}"),
        Level::Warn => tracing::warn!(plugin, stream, "{text}"),
        Level::Error => tracing::error!(plugin, stream, "{text}"),
    }
}

/// The beginning of a line, at most this many bytes, cut between characters.
pub fn cut(line: &str, bytes_max: usize) -> &str {
    &line[..line.floor_char_boundary(bytes_max)]
}

/// A line in which nothing can move the cursor, change colours or fake another line.
pub fn escaped(line: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() && !is_direction(c);
    if line.chars().all(harmless) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        if harmless(c) {
            text.push(c);
        } else {
            text.extend(c.escape_default());
        }
    }
    Cow::Owned(text)
}

/// Characters that turn the direction of the text around them, and line separators that are not control
/// characters.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The guest's frames, innermost first, on one line.
pub fn backtrace(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let frames = backtrace.frames().iter().map(|frame| {
        let name = frame.func_name().map_or_else(
            || format!("function {}", frame.func_index()),
            |name| format!("{:#}", rustc_demangle::demangle(name)),
        );
        let place = frame
            .symbols()
            .first()
            .and_then(|symbol| Some(format!(" ({}:{})", symbol.file()?, symbol.line()?)));
        name + &place.unwrap_or_default()
    });
    escaped(&frames.collect::<Vec<_>>().join(" < ")).into_owned()
}

/// An error with all its causes, in one line.
pub fn chain(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    escaped(&causes.join(": ")).into_owned()
}

/// The innermost cause of a trap, in one line.
pub fn cause(error: &wasmtime::Error) -> String {
    escaped(&error.root_cause().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_sent() {
        let check = |line: &str, expected: &str| assert_eq!(escaped(line), expected);
        check("plain äöü", "plain äöü");
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("one\ntwo\r", "one\\ntwo\\r");
        check("\u{202e}drow", "\\u{202e}drow");
        check("\u{9b}2J", "\\u{9b}2J");
    }

    #[test]
    fn lines_are_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "ä");
        assert_eq!(cut("abc", 10), "abc");
    }
}
