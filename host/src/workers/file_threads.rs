//! The threads that make calls into file systems. All exist from the start: a host that has no more threads later still
//! serves files.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::plugin::Plugin;
use crate::plugin::file_calls::FileCalls;

/// Threads besides one for each tenant.
const SPARE: usize = 3;

/// The threads. Dropping it ends those that are idle; one that is stuck in a file system ends with the process.
#[derive(Debug)]
pub struct FileThreads(FileCalls);

impl FileThreads {
    /// Starts as many as the plugins that see folders need; none where no plugin does.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub fn spawn(calls: &FileCalls, plugins: &[Arc<Plugin>]) -> io::Result<FileThreads> {
        let with_folders =
            plugins.iter().filter(|plugin| !plugin.config.allow.directories.is_empty());
        let tenants: BTreeSet<usize> = with_folders.map(|plugin| plugin.tenant.index).collect();
        let count = if tenants.is_empty() { 0 } else { tenants.len() + SPARE };
        calls.admit(tenants);
        let threads = FileThreads(calls.clone());
        for index in 0..count {
            let calls = calls.clone();
            // They are not joined: a file system may never answer.
            std::thread::Builder::new().name(format!("files-{index}")).spawn(move || {
                while let Some(call) = calls.next() {
                    calls.make(call);
                }
            })?;
        }
        Ok(threads)
    }
}

impl Drop for FileThreads {
    fn drop(&mut self) {
        self.0.close();
    }
}
