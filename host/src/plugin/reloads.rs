//! What became of reloads, for whoever asks later.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Moment;

/// What became of the reloads of a host.
#[derive(Debug, Default)]
pub struct Reloads {
    taken: AtomicU64,
    refused: AtomicU64,
    last: Mutex<Option<LastReload>>,
}

/// The last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// When it was over, on the clock of the host.
    pub at: Moment,
    /// Why it was refused, in the words of the log; nothing where it was taken.
    pub error: Option<String>,
}

impl Reloads {
    /// One is over.
    pub fn over(&self, at: Moment, error: Option<String>) {
        let count = if error.is_none() { &self.taken } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        *self.lock() = Some(LastReload { at, error });
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The last one, if there was one.
    pub fn last(&self) -> Option<LastReload> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<LastReload>> {
        // Each change is whole before anything can panic.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
