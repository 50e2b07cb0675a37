//! Panics of the host's own threads as lines of the log: they wait for nobody, and the end of the process waits for them.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::panic::PanicHookInfo;

use crate::log::text::{BACKTRACE_BYTES, GuestText};

/// From now on a panic is a line of the log.
pub(super) fn watch() {
    panic::set_hook(Box::new(tell));
}

fn tell(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = info.location().map(GuestText::name);
    let cause = GuestText::cause(info.payload_as_str().unwrap_or("no text"));
    let backtrace = Backtrace::capture();
    let frames = (backtrace.status() == BacktraceStatus::Captured)
        .then(|| GuestText::of(&backtrace, BACKTRACE_BYTES));
    tracing::error!(
        thread = thread.name(),
        place = place.as_ref().map(tracing::field::debug),
        cause = ?cause,
        backtrace = frames.as_ref().map(tracing::field::debug),
        "a thread of the host panicked"
    );
}
