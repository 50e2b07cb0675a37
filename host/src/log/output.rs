//! The host's own standard output, for plugins with `stdout = "inherit"`.

use std::io::Write;
use std::sync::Arc;

use crate::log::queue::OUTPUT;
use crate::log::share::LogShare;

/// Writes bytes of a tenant's as they are, soon. What finds no room in the queue is left out and counted.
pub(crate) fn write(share: &Arc<LogShare>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    match OUTPUT.get() {
        Some(output) => {
            let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            output.push(Some(share.clone()), bytes.to_vec(), count);
        }
        // The log was not started: this is not a host, but a program that runs a part of one.
        None => {
            // The reader of standard output has gone: the plugin is not affected.
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        }
    }
}
