//! Lines of one plugin's: what stands around them is formatted once for many, so that a call that brings thousands of them
//! takes about a slice.

use std::sync::Arc;

use tracing::field::debug;

use crate::clock::Moment;
use crate::contract::bindings::Level;
use crate::log::share::LogShare;
use crate::log::text::GuestText;
use crate::log::{format, scope, text};

/// What filters know them by.
pub(super) const TARGET: &str = module_path!();
/// Bytes after which lines are handed to the log's thread.
const BATCH_BYTES: usize = 32 << 10;
/// Stands for the text; no time, level or name of a plugin has it.
const PLACEHOLDER: &str = "\u{e000}";

/// Lines that a plugin writes in one call.
pub(crate) struct GuestLines<'a> {
    share: &'a Arc<LogShare>,
    now: Moment,
    bytes_max: usize,
    shape: Shape,
    batch: Vec<u8>,
    in_batch: u64,
    /// Lines that were above the tenant's rate.
    pub left_out: u64,
    /// Lines that were longer than they may be.
    pub cut: u64,
}

/// What stands before and after the text of a line.
enum Shape {
    /// No line has been written yet.
    Unknown,
    /// Lines of this level are not logged.
    NotLogged,
    Known {
        before: Vec<u8>,
        after: Vec<u8>,
    },
}

/// Whose lines they are, and how important.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineOrigin<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// How important.
    pub level: Level,
    /// `log`, `stdout` or `stderr`.
    pub stream: &'static str,
    /// The handler of the connection that they are about.
    pub handler: Option<&'a GuestText>,
    /// Its number.
    pub connection: Option<u32>,
}

impl<'a> GuestLines<'a> {
    /// None yet. At most `bytes_max` bytes of each are kept, as they are written.
    pub(crate) fn new(share: &'a Arc<LogShare>, now: Moment, bytes_max: u32) -> GuestLines<'a> {
        GuestLines {
            share,
            now,
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            shape: Shape::Unknown,
            batch: Vec::new(),
            in_batch: 0,
            left_out: 0,
            cut: 0,
        }
    }

    /// One more. `is_cut` says that the rest of it is left out already.
    pub(crate) fn add(&mut self, origin: LineOrigin<'_>, line: &[u8], is_cut: bool) {
        if !self.share.may_write(self.now) {
            self.left_out += 1;
            return;
        }
        if matches!(self.shape, Shape::Unknown) {
            self.shape = Shape::of(origin);
        }
        let Shape::Known { before, after } = &self.shape else { return };
        let begun = self.batch.len();
        self.batch.extend_from_slice(before);
        let whole =
            text::write_line(&mut self.batch, line, self.bytes_max, is_cut, format::written_in());
        self.batch.extend_from_slice(after);
        self.in_batch += 1;
        self.cut += u64::from(!whole);
        self.share.wrote(self.batch.len() - begun);
        if BATCH_BYTES < self.batch.len() {
            self.send();
        }
    }

    fn send(&mut self) {
        if 0 < self.in_batch {
            let batch = std::mem::take(&mut self.batch);
            scope::push_lines(self.share, batch, std::mem::take(&mut self.in_batch));
        }
    }
}

impl Drop for GuestLines<'_> {
    fn drop(&mut self) {
        self.send();
        self.share.leave_out(self.left_out);
    }
}

impl Shape {
    fn of(origin: LineOrigin<'_>) -> Shape {
        let line = scope::caught(|| tell(origin));
        let place = line.windows(PLACEHOLDER.len()).position(|it| it == PLACEHOLDER.as_bytes());
        match place {
            Some(place) => Shape::Known {
                before: line[..place].to_vec(),
                after: line[place + PLACEHOLDER.len()..].to_vec(),
            },
            None => Shape::NotLogged,
        }
    }
}

fn tell(LineOrigin { plugin, level, stream, handler, connection }: LineOrigin<'_>) {
    let handler = handler.map(debug);
    match level {
        Level::Trace => tracing::trace!(plugin, stream, handler, connection, "{PLACEHOLDER}"),
        Level::Debug => tracing::debug!(plugin, stream, handler, connection, "{PLACEHOLDER}"),
        Level::Info => tracing::info!(plugin, stream, handler, connection, "{PLACEHOLDER}"),
        Level::Warn => tracing::warn!(plugin, stream, handler, connection, "{PLACEHOLDER}"),
        Level::Error => tracing::error!(plugin, stream, handler, connection, "{PLACEHOLDER}"),
    }
}
