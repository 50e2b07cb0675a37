//! The output of an instance in one event, with its connection: for its log lines, and for the line that reports its
//! trap.

use std::sync::Arc;

use crate::base::lock::Mutex;
use crate::log::text::{GuestText, LAST_WORDS_BYTES};
use crate::net::connection::SharedConnection;
use crate::plugin::Plugin;
use crate::plugin::subject::Subject;
use crate::quota::budget::Reservation;

/// The hint that Rust's standard library adds to a panic message; a guest's environment cannot be set that way.
const ADVICE: &[u8] = b"note: run with `RUST_BACKTRACE";

/// Whether this line of standard error is that hint.
pub(super) fn is_advice(line: &[u8]) -> bool {
    line.starts_with(ADVICE)
}

/// The output of an instance in one event. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct GuestOutput(Arc<Mutex<EventOutput>>);

#[derive(Debug, Default)]
struct EventOutput {
    /// The number of the event.
    event: u64,
    /// The connection of the event; only looked up when a line is written.
    connection: Option<SharedConnection>,
    /// The last lines.
    last: Vec<u8>,
    /// The same bytes, reserved of the tenant's budget.
    counted: Option<Reservation>,
}

impl GuestOutput {
    /// Begins the output of this event, about this connection.
    pub(super) fn begin_event<'a>(
        &self,
        event: u64,
        connection: impl FnOnce() -> Option<&'a SharedConnection>,
    ) {
        let mut output = self.0.lock();
        if output.event != event {
            let connection = connection().cloned();
            *output = EventOutput { event, connection, last: Vec::new(), counted: None };
        }
    }

    /// The connection of the event, for the log.
    pub(super) fn subject(&self) -> Option<Subject> {
        let connection = self.0.lock().connection.clone()?;
        let connection = connection.lock();
        Some(Subject { connection: connection.number, handler: connection.handler.clone() })
    }

    /// Notes a line.
    pub(super) fn note_line(&self, plugin: &Plugin, line: &[u8]) {
        if line.is_empty() || is_advice(line) {
            return;
        }
        let mut output = self.0.lock();
        if output.counted.is_none() {
            let bytes = u64::try_from(LAST_WORDS_BYTES).unwrap_or(u64::MAX);
            output.counted = plugin.tenant.host_memory.reserve(bytes);
        }
        if output.counted.is_none() {
            return;
        }
        let line = &line[..line.len().min(LAST_WORDS_BYTES)];
        let room = LAST_WORDS_BYTES - line.len();
        let is_first = output.last.is_empty();
        let over = (output.last.len() + usize::from(!is_first)).saturating_sub(room);
        let over = over.min(output.last.len());
        // Only whole lines are dropped.
        let rest = output.last[over..].iter().position(|byte| *byte == b'\n');
        let gone = if over == 0 { 0 } else { rest.map_or(output.last.len(), |at| over + at + 1) };
        output.last.drain(..gone);
        if !output.last.is_empty() {
            output.last.push(b'\n');
        }
        output.last.extend_from_slice(line);
    }

    /// The last lines of this event, if any.
    pub(super) fn last_words(&self, event: u64) -> Option<GuestText> {
        let output = self.0.lock();
        let is_of_event = output.event == event && !output.last.is_empty();
        let text = || GuestText::of(String::from_utf8_lossy(&output.last), LAST_WORDS_BYTES);
        is_of_event.then(text)
    }
}
