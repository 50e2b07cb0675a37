//! The host's own standard output, for plugins with `stdout = "inherit"`.

use std::io::Write;
use std::sync::Arc;

use crate::log::queue::OUTPUT;
use crate::log::share::LogShare;

/// Queues output of a tenant's plugin, unchanged. Without room in the queue it is left out and counted.
pub(crate) fn write(share: &Arc<LogShare>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    match OUTPUT.get() {
        Some(output) => {
            let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            output.push(Some(share.clone()), bytes.to_vec(), count);
        }
        // Without a log this process is not a host, but a program that uses a part of one.
        None => {
            // If nobody reads standard output, the plugin is not affected.
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        }
    }
}
