//! What an instance says in one event, and about which connection: for the lines of its own, and for the line that tells of its
//! end.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::log::text::{GuestText, LAST_WORDS_BYTES};
use crate::net::connection::SharedConnection;
use crate::plugin::Plugin;
use crate::plugin::subject::Subject;
use crate::quota::budget::Reservation;

/// What the standard library of Rust adds to what it says of a panic, which nobody here can do.
const ADVICE: &[u8] = b"note: run with `RUST_BACKTRACE";

/// Whether this line of standard error helps nobody.
pub(super) fn is_advice(line: &[u8]) -> bool {
    line.starts_with(ADVICE)
}

/// What an instance says in one event. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Voice(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    /// In which of its events.
    event: u64,
    /// The connection that the event is about; it is looked at when something is said.
    connection: Option<SharedConnection>,
    /// The end of it, the last lines.
    last: Vec<u8>,
    /// Counts that in the tenant's account.
    counted: Option<Reservation>,
}

impl Voice {
    /// It may speak in this event, about this connection.
    pub(super) fn may_speak<'a>(
        &self,
        event: u64,
        connection: impl FnOnce() -> Option<&'a SharedConnection>,
    ) {
        let mut said = self.0.lock();
        if said.event != event {
            let connection = connection().cloned();
            *said = Said { event, connection, last: Vec::new(), counted: None };
        }
    }

    /// The connection that it speaks about.
    pub(super) fn subject(&self) -> Option<Subject> {
        let connection = self.0.lock().connection.clone()?;
        let connection = connection.lock();
        Some(Subject { connection: connection.number, handler: connection.handler.clone() })
    }

    /// It has said this line.
    pub(super) fn says(&self, plugin: &Plugin, line: &[u8]) {
        if line.is_empty() || is_advice(line) {
            return;
        }
        let mut said = self.0.lock();
        if said.counted.is_none() {
            let bytes = u64::try_from(LAST_WORDS_BYTES).unwrap_or(u64::MAX);
            said.counted = plugin.tenant.host_memory.reserve(bytes);
        }
        if said.counted.is_none() {
            return;
        }
        let line = &line[..line.len().min(LAST_WORDS_BYTES)];
        let room = LAST_WORDS_BYTES - line.len();
        let is_first = said.last.is_empty();
        let over = (said.last.len() + usize::from(!is_first)).saturating_sub(room);
        let over = over.min(said.last.len());
        // Whole lines go.
        let rest = said.last[over..].iter().position(|byte| *byte == b'\n');
        let gone = if over == 0 { 0 } else { rest.map_or(said.last.len(), |at| over + at + 1) };
        said.last.drain(..gone);
        if !said.last.is_empty() {
            said.last.push(b'\n');
        }
        said.last.extend_from_slice(line);
    }

    /// The last that it has said in this event, if anything.
    pub(super) fn last_words(&self, event: u64) -> Option<GuestText> {
        let said = self.0.lock();
        let has_spoken = said.event == event && !said.last.is_empty();
        let text = || GuestText::of(String::from_utf8_lossy(&said.last), LAST_WORDS_BYTES);
        has_spoken.then(text)
    }
}
