//! A term: how long the program of a singleton may run on this host. The thread of the cluster grants and renews it by a lease,
//! and the reactor of the program enforces it by its own clock, whatever that thread does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Moment;

/// The name of a term's program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProgramName {
    /// The tenant.
    pub tenant: String,
    /// The plugin.
    pub plugin: String,
}

/// How a term has ended in its reactor. From then on nothing of its program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermEnd {
    /// The program has ended as it was told to.
    Left,
    /// The program was told to stop, or was ended: the term was not renewed in time.
    Lapsed,
    /// The program was cut off during a call, which may not have ended yet.
    Cut,
    /// The program has trapped, has refused to start, or has had no room.
    Failed,
    /// The program is not wanted here any more: the host stops, or does not serve the plugin any more.
    Unwanted,
}

/// A term of one program.
#[derive(Debug)]
pub struct Term {
    /// Its program.
    pub program: ProgramName,
    /// The index of its plugin.
    pub place: usize,
    /// Grows with each term of the program, on any host.
    pub fencing: u64,
    /// The end, in nanoseconds of the host's clock.
    lapses: AtomicU64,
    /// How long before that the program is told to stop.
    warning: Duration,
    end: OnceLock<TermEnd>,
    bell: Notify,
}

impl Term {
    /// A term until `lapses`; its program is told to stop `warning` before.
    pub fn new(
        program: ProgramName,
        place: usize,
        fencing: u64,
        lapses: Moment,
        warning: Duration,
    ) -> Term {
        Term {
            program,
            place,
            fencing,
            lapses: AtomicU64::new(lapses.as_nanos()),
            warning,
            end: OnceLock::new(),
            bell: Notify::new(),
        }
    }

    /// Extends it until `lapses`.
    pub fn renew(&self, lapses: Moment) {
        self.lapses.store(lapses.as_nanos(), Ordering::Release);
    }

    /// Ends it at once: another host has the lease.
    pub fn revoke(&self) {
        self.lapses.store(0, Ordering::Release);
    }

    /// When nothing of the program may run any more, unless it is renewed.
    pub fn lapses(&self) -> Moment {
        Moment::from_start(Duration::from_nanos(self.lapses.load(Ordering::Acquire)))
    }

    /// When the program is told to stop, unless it is renewed.
    pub fn warns(&self) -> Moment {
        let lapses = Duration::from_nanos(self.lapses.load(Ordering::Acquire));
        Moment::from_start(lapses.saturating_sub(self.warning))
    }

    /// Nothing of the program runs any more. The first end counts.
    pub fn end(&self, end: TermEnd) {
        // A second one is about the same end.
        let _ = self.end.set(end);
        self.bell.notify_one();
    }

    /// How it has ended, if it has.
    pub fn how_it_ended(&self) -> Option<TermEnd> {
        self.end.get().copied()
    }

    /// Waits until it has ended. One task waits for it.
    pub async fn ended(&self) -> TermEnd {
        loop {
            if let Some(end) = self.how_it_ended() {
                return end;
            }
            self.bell.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_term_warns_before_it_lapses_and_may_be_renewed_and_revoked() {
        let program = ProgramName { tenant: "t".to_owned(), plugin: "p".to_owned() };
        let term = Term::new(program, 0, 7, at(20), Duration::from_secs(3));
        assert_eq!((term.warns(), term.lapses()), (at(17), at(20)));
        term.renew(at(30));
        assert_eq!((term.warns(), term.lapses()), (at(27), at(30)));
        term.revoke();
        assert_eq!((term.warns(), term.lapses()), (at(0), at(0)));
        term.end(TermEnd::Lapsed);
        term.end(TermEnd::Left);
        assert_eq!(term.how_it_ended(), Some(TermEnd::Lapsed));
    }
}
