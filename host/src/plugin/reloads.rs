//! The results of reloads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::Moment;

/// The results of a host's reloads.
#[derive(Debug, Default)]
pub struct Reloads {
    taken: AtomicU64,
    refused: AtomicU64,
    last: Mutex<Option<LastReload>>,
}

/// The last reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// When it ended, on the clock of the host.
    pub at: Moment,
    /// The error of a refused one; none if it was applied.
    pub error: Option<String>,
}

impl Reloads {
    /// Notes a reload that has ended.
    pub fn over(&self, at: Moment, error: Option<String>) {
        let count = if error.is_none() { &self.taken } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        *self.lock() = Some(LastReload { at, error });
    }

    /// The number of reloads that were applied.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The number of reloads that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub fn last(&self) -> Option<LastReload> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<LastReload>> {
        self.last.lock()
    }
}
