//! The last traps and denials of a plugin, for those who watch the host. What the log leaves out is left out here, too.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Moment;
use crate::log::text::GuestText;

/// How many of each are kept of a plugin.
const KEPT: usize = 16;

/// The last of a plugin.
#[derive(Debug, Default)]
pub struct Incidents {
    are_kept: bool,
    last: Mutex<LastIncidents>,
}

#[derive(Debug, Default)]
struct LastIncidents {
    traps: VecDeque<TrapIncident>,
    denials: VecDeque<DenialIncident>,
}

/// An instance that has ended as it should not have.
#[derive(Debug, Clone)]
pub struct TrapIncident {
    /// When.
    pub at: Moment,
    /// In a word or two.
    pub what: &'static str,
    /// The callback.
    pub event: &'static str,
    /// The connection's number, and its handler.
    pub connection: Option<(u32, GuestText)>,
    /// The limit behind it.
    pub limit: Option<String>,
    /// The engine's words.
    pub cause: Option<GuestText>,
    /// The guest's frames.
    pub backtrace: Option<GuestText>,
    /// Which trap of the plugin it was, from 1.
    pub count: u64,
}

/// A call that was not granted.
#[derive(Debug, Clone)]
pub struct DenialIncident {
    /// When.
    pub at: Moment,
    /// The call, as the contract names it.
    pub call: &'static str,
    /// What it asked for.
    pub target: Option<GuestText>,
    /// What is against it, where that is more than its not being listed.
    pub cause: Option<String>,
    /// What would allow it.
    pub remedy: String,
    /// The connection's number, and its handler.
    pub connection: Option<(u32, GuestText)>,
    /// Whether it was let through all the same.
    pub let_through: bool,
    /// Which denial of this call it was, from 1.
    pub count: u64,
}

impl Incidents {
    /// None yet, and none ever where nobody watches.
    pub fn new(are_kept: bool) -> Incidents {
        Incidents { are_kept, last: Mutex::default() }
    }

    /// An instance has trapped.
    pub fn trapped(&self, incident: impl FnOnce() -> TrapIncident) {
        if self.are_kept {
            keep(&mut self.lock().traps, incident());
        }
    }

    /// Something was denied.
    pub fn denied(&self, incident: impl FnOnce() -> DenialIncident) {
        if self.are_kept {
            keep(&mut self.lock().denials, incident());
        }
    }

    /// The last traps, the latest first.
    pub fn traps(&self) -> Vec<TrapIncident> {
        self.lock().traps.iter().rev().cloned().collect()
    }

    /// The last denials, the latest first.
    pub fn denials(&self) -> Vec<DenialIncident> {
        self.lock().denials.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, LastIncidents> {
        // Each change is whole before anything can panic.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep<T>(last: &mut VecDeque<T>, one: T) {
    if last.len() == KEPT {
        last.pop_front();
    }
    last.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(count: u64) -> DenialIncident {
        DenialIncident {
            at: Moment::default(),
            call: "connect",
            target: None,
            cause: None,
            remedy: String::new(),
            connection: None,
            let_through: false,
            count,
        }
    }

    #[test]
    fn the_last_are_kept_and_only_for_those_who_watch() {
        let (watched, alone) = (Incidents::new(true), Incidents::new(false));
        for count in 1..=100 {
            watched.denied(|| denial(count));
            alone.denied(|| panic!("nobody asks"));
        }
        let counts: Vec<u64> = watched.denials().iter().map(|it| it.count).collect();
        assert_eq!((counts.len(), counts[0], counts[15]), (16, 100, 85));
        assert!(alone.denials().is_empty() && watched.traps().is_empty());
    }
}
