//! Assigns a line that `tracing` has formatted to its owner, on the thread that has logged it.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use tracing_subscriber::fmt::MakeWriter;

use crate::log::queue::{LOG, WriteQueue};
use crate::log::share::LogShare;

/// The most bytes of a line, from any source.
pub(super) const LINE_BYTES_MAX: usize = 2 << 20;

thread_local! {
    static SCOPE: RefCell<Scope> = const { RefCell::new(Scope::Host) };
}

/// The destination of a line.
#[derive(Default)]
enum Scope {
    /// The log, as a line of the host.
    #[default]
    Host,
    /// The log, as a line of this tenant.
    Tenant(Arc<LogShare>),
    /// The caller that has requested it.
    Caught(Vec<u8>),
}

/// Counts lines that `tell` logs for `share`; they wait in its part of the queue.
pub(crate) fn of_tenant(share: &Arc<LogShare>, tell: impl FnOnce()) {
    let _ = within(Scope::Tenant(share.clone()), tell);
}

/// Returns what `tell` logs; empty if its level is not logged.
pub(super) fn caught(tell: impl FnOnce()) -> Vec<u8> {
    match within(Scope::Caught(Vec::new()), tell) {
        Scope::Caught(line) => line,
        _ => Vec::new(),
    }
}

fn within(scope: Scope, tell: impl FnOnce()) -> Scope {
    /// Restores the previous scope, after a panic, too.
    struct Before(Option<Scope>);
    impl Drop for Before {
        fn drop(&mut self) {
            if let Some(before) = self.0.take() {
                SCOPE.with_borrow_mut(|scope| *scope = before);
            }
        }
    }
    let mut before = Before(Some(SCOPE.replace(scope)));
    tell();
    SCOPE.replace(before.0.take().unwrap_or_default())
}

/// Receives each line that `tracing` has formatted.
#[derive(Debug, Clone)]
pub(super) struct ToQueue(pub Arc<WriteQueue>);

impl<'a> MakeWriter<'a> for ToQueue {
    type Writer = ToQueue;

    fn make_writer(&'a self) -> ToQueue {
        self.clone()
    }
}

impl io::Write for ToQueue {
    /// One whole line; never waits.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        SCOPE.with_borrow_mut(|scope| match scope {
            Scope::Host => self.0.push(None, shortened(line), 1),
            Scope::Tenant(share) => {
                let line = shortened(line);
                share.wrote(line.len());
                self.0.push(Some(share.clone()), line, 1);
            }
            Scope::Caught(caught) => caught.extend_from_slice(line),
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shortened(line: &[u8]) -> Vec<u8> {
    if line.len() <= LINE_BYTES_MAX {
        return line.to_vec();
    }
    let mut line = line[..LINE_BYTES_MAX].to_vec();
    line.push(b'\n');
    line
}

/// Adds formatted lines of a tenant.
pub(super) fn push_lines(share: &Arc<LogShare>, lines: Vec<u8>, count: u64) {
    if let Some(log) = LOG.get() {
        log.push(Some(share.clone()), lines, count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::panic::catch_unwind;

    use super::*;
    use crate::log::queue::StandardStream;

    #[test]
    fn a_scope_ends_with_its_call() {
        let queue = ToQueue(Arc::new(WriteQueue::new(StandardStream::Log, 1 << 20)));
        let write = |text: &str| queue.clone().write_all(text.as_bytes()).expect("room");
        let outer = caught(|| {
            write("one ");
            assert_eq!(caught(|| write("inner")), b"inner");
            let panicked = catch_unwind(|| caught(|| panic!("on purpose")));
            assert!(panicked.is_err());
            write("two");
        });
        assert_eq!(outer, b"one two");
    }
}
