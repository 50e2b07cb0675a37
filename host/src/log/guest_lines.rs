//! Log lines of a plugin. The text around the message is formatted once for all lines of a call, so that a call with thousands of
//! lines takes about a slice.

use std::sync::Arc;

use tracing::field::debug;

use crate::clock::Moment;
use crate::contract::bindings::Level;
use crate::log::share::LogShare;
use crate::log::text::GuestText;
use crate::log::{format, scope, text};

/// Their target in filters.
pub(super) const TARGET: &str = module_path!();
/// The bytes after which lines are handed to the log's thread.
const BATCH_BYTES: usize = 32 << 10;
/// Stands for the message while the rest of a line is formatted; no time, level or plugin name contains it.
const PLACEHOLDER: &str = "\u{e000}";

/// The lines that a plugin writes in one call.
pub(crate) struct GuestLines<'a> {
    share: &'a Arc<LogShare>,
    now: Moment,
    bytes_max: usize,
    shape: Shape,
    batch: Vec<u8>,
    in_batch: u64,
    /// The number of lines above the tenant's rate.
    pub left_out: u64,
    /// The number of lines that were cut.
    pub cut: u64,
}

/// The text before and after the message.
enum Shape {
    /// Not formatted yet.
    Unknown,
    /// Lines of this level are not logged.
    NotLogged,
    Known {
        before: Vec<u8>,
        after: Vec<u8>,
    },
}

/// The source of a line, and its level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineOrigin<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The level.
    pub level: Level,
    /// `log`, `stdout` or `stderr`.
    pub stream: &'static str,
    /// The handler of the connection that the line is about.
    pub handler: Option<&'a GuestText>,
    /// The number of that connection.
    pub connection: Option<u32>,
}

impl<'a> GuestLines<'a> {
    /// No lines yet. Of each, `bytes_max` bytes are kept, counted with escapes.
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

    /// Adds a line. `is_cut` says that its end was left out already.
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
