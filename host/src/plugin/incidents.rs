//! The last traps and denials of a plugin, for `[admin]`. They are limited as the lines of the log are.

use std::collections::VecDeque;

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::Moment;
use crate::log::text::GuestText;

/// The number of each that is kept for a plugin.
const KEPT: usize = 16;

/// The last traps and denials of a plugin.
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

/// A trap.
#[derive(Debug, Clone)]
pub struct TrapIncident {
    pub at: Moment,
    /// The kind of end: `trapped`, for example.
    pub what: &'static str,
    /// The callback.
    pub event: &'static str,
    /// The connection's number, and its handler.
    pub connection: Option<(u32, GuestText)>,
    /// The limit that caused it.
    pub limit: Option<String>,
    /// The error of the engine.
    pub cause: Option<GuestText>,
    /// The guest's frames.
    pub backtrace: Option<GuestText>,
    /// The number of the trap, counted from 1 for each plugin.
    pub count: u64,
}

/// A denied call.
#[derive(Debug, Clone)]
pub struct DenialIncident {
    pub at: Moment,
    /// The call's name in the contract.
    pub call: &'static str,
    /// What was requested.
    pub target: Option<GuestText>,
    /// The reason, if it is another one than a missing rule.
    pub cause: Option<String>,
    /// What would grant it.
    pub remedy: String,
    /// The connection's number, and its handler.
    pub connection: Option<(u32, GuestText)>,
    /// Whether the call was allowed because the policy only audits.
    pub let_through: bool,
    /// The number of the denial, counted from 1 for each call.
    pub count: u64,
}

impl Incidents {
    /// An empty list; one that stays empty if not `are_kept`.
    pub fn new(are_kept: bool) -> Incidents {
        Incidents { are_kept, last: Mutex::default() }
    }

    pub fn trapped(&self, incident: impl FnOnce() -> TrapIncident) {
        if self.are_kept {
            keep(&mut self.lock().traps, incident());
        }
    }

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
        self.last.lock()
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
