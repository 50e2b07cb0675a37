//! The output of a child process, line by line, while it runs.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// One line of the host's log: `2026-01-01T00:00:00.000000Z  INFO serving address=… plugin=echo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine(pub String);

impl LogLine {
    /// `INFO`, `WARN`, …; empty if the line is a continuation, such as a frame of a backtrace.
    pub fn level(&self) -> &str {
        let word = self.0.split_whitespace().nth(1).unwrap_or_default();
        match word {
            "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" => word,
            _ => "",
        }
    }

    /// The text behind the level.
    pub fn message(&self) -> &str {
        match self.level() {
            "" => &self.0,
            level => {
                let start = self.0.find(level).expect("the level is in the line") + level.len();
                self.0[start..].trim_start()
            }
        }
    }

    /// The value of `name=value`, without its quotes if it has some.
    pub fn field(&self, name: &str) -> Option<&str> {
        let needle = format!(" {name}=");
        let rest = &self.0[self.0.find(&needle)? + needle.len()..];
        Some(match rest.strip_prefix('"') {
            Some(quoted) => &quoted[..end_of_quoted(quoted)],
            None => rest.split(' ').next().unwrap_or_default(),
        })
    }
}

/// A quote inside has a backslash before it.
fn end_of_quoted(text: &str) -> usize {
    let quotes = text.match_indices('"').map(|(place, _)| place);
    let mut ends = quotes.filter(|place| !text[..*place].ends_with('\\'));
    ends.next().unwrap_or(text.len())
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<LogLine>,
    ended: bool,
}

/// The lines so far, growing.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<(Mutex<State>, Condvar)>);

impl Lines {
    /// Reads a pipe to its end on a separate thread, so that the child never waits for the test.
    pub fn read(pipe: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let shared = lines.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut bytes), Ok(1..)) {
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                shared.change(|state| {
                    state.lines.push(LogLine(String::from_utf8_lossy(&bytes).into_owned()));
                });
                bytes.clear();
            }
            shared.change(|state| state.ended = true);
        });
        lines
    }

    /// Waits until the child has closed the pipe; returns all lines, or none after a time-out.
    pub fn wait_end(&self) -> Option<Vec<LogLine>> {
        self.wait(PATIENCE, |state| state.ended.then(|| state.lines.clone()))
    }

    /// Waits until `find` succeeds on the lines; none if the pipe has ended or after a time-out.
    pub fn wait_for<T>(&self, find: impl FnMut(&[LogLine]) -> Option<T>) -> Option<T> {
        self.wait_long_for(PATIENCE, find)
    }

    /// Like [`Lines::wait_for`], with a longer time-out.
    pub fn wait_long_for<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&[LogLine]) -> Option<T>,
    ) -> Option<T> {
        self.wait(patience, |state| match find(&state.lines) {
            Some(found) => Some(Some(found)),
            None if state.ended => Some(None),
            None => None,
        })
        .flatten()
    }

    /// The lines so far.
    pub fn so_far(&self) -> Vec<LogLine> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    /// The number of lines so far.
    pub fn count(&self) -> usize {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).lines.len()
    }

    /// The lines so far, as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.so_far() {
            text.push_str(&line.0);
            text.push('\n');
        }
        text
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    fn wait<T>(&self, patience: Duration, mut found: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = found(&state) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.0.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
