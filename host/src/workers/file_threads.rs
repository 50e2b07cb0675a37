//! The threads that make calls into file systems. All are started with the host, so that files are served even if no more
//! threads can be started later.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::plugin::Plugin;
use crate::plugin::file_calls::FileCalls;
use crate::plugin::roster::Roster;

/// Threads besides one for each tenant.
const SPARE: usize = 3;

/// The threads. Dropping it ends the idle ones; one that hangs in a file system ends with the process.
#[derive(Debug)]
pub struct FileThreads(FileCrew);

/// Starts more of the threads. Clones share them.
#[derive(Debug, Clone)]
pub struct FileCrew {
    calls: FileCalls,
    started: Arc<AtomicUsize>,
}

impl FileThreads {
    /// Starts the threads for the plugins with granted folders; none if there is no such plugin.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub fn spawn(calls: &FileCalls, roster: &Roster) -> io::Result<FileThreads> {
        let threads = FileThreads(FileCrew { calls: calls.clone(), started: Arc::default() });
        threads.0.serve(roster)?;
        Ok(threads)
    }

    /// The handle that starts more.
    pub fn crew(&self) -> FileCrew {
        self.0.clone()
    }
}

impl FileCrew {
    /// Starts the threads that the plugins of a new roster need in addition.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub fn serve(&self, roster: &Roster) -> io::Result<()> {
        // Requests of `wasi:http` look names up here.
        let makes_calls = |plugin: &&Arc<Plugin>| {
            let allow = &plugin.config.allow;
            !allow.directories.is_empty() || plugin.serves_http && !allow.connect.is_empty()
        };
        let tenants: BTreeSet<usize> =
            roster.plugins().filter(makes_calls).map(|plugin| plugin.tenant.index).collect();
        let count = if tenants.is_empty() { 0 } else { tenants.len() + SPARE };
        self.calls.admit(tenants);
        for index in self.started.load(Ordering::Relaxed)..count {
            let calls = self.calls.clone();
            // Not joined: a file system may block for ever.
            std::thread::Builder::new().name(format!("files-{index}")).spawn(move || {
                while let Some(call) = calls.next() {
                    calls.make(call);
                }
            })?;
            self.started.store(index + 1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for FileThreads {
    fn drop(&mut self) {
        self.0.calls.close();
    }
}
