//! A candidate for the lease of one singleton: waits for it, takes it, renews it while the program runs, and gives it back.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::clock::{Clock, Moment};
use crate::cluster::hosts::HostId;
use crate::cluster::lease::{LeaseEntry, LeaseRecord, LeaseView, LeaseWriteError, Leases};
use crate::cluster::line::Line;
use crate::cluster::singleton::Singleton;
use crate::mail::post::Notice;
use crate::quota::term::{ProgramName, Term, TermEnd};

/// The first wait after a failed program until this host is a candidate again; it doubles with each failure.
const STAND_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The most doublings: about a minute.
const DOUBLINGS_MAX: u32 = 6;
/// The time without a failure after which the first wait applies again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(120);
/// The longest time-out of a request: an answer that takes longer is lost.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The longest pause after a failed attempt.
const AGAIN_MAX: Duration = Duration::from_secs(1);

/// The times of a lease, all from the moment of its request.
#[derive(Debug, Clone, Copy)]
struct LeaseTimes {
    /// When other hosts may take it.
    whole: Duration,
    /// When it is renewed.
    renewed: Duration,
    /// When the program has ended, unless the lease was renewed.
    lapses: Duration,
    /// How long before that the program is told to stop.
    warning: Duration,
    /// The time-out of a request.
    answer: Duration,
    /// The pause after a failed attempt.
    again: Duration,
}

/// What the candidates of a host share.
#[derive(Debug)]
pub(super) struct CandidateSite {
    pub(super) host: HostId,
    /// The connection of the host.
    pub(super) line: Arc<Line>,
    pub(super) clock: Clock,
    pub(super) runtime: Handle,
    /// The first part of every subject.
    pub(super) prefix: String,
    pub(super) lease: Duration,
}

impl CandidateSite {
    /// The subject on which a host announces that a lease has changed. A host that misses it looks after half of a lease.
    pub(super) fn subject(&self) -> String {
        format!("{}.=leases", self.prefix)
    }
}

/// A candidate for a lease.
pub(super) struct Candidate {
    singleton: Arc<Singleton>,
    key: String,
    leases: Leases,
    view: LeaseView,
    times: LeaseTimes,
    line: Arc<Line>,
    clock: Clock,
    subject: String,
    failures: u32,
}

impl LeaseTimes {
    fn of(whole: Duration) -> LeaseTimes {
        LeaseTimes {
            whole,
            renewed: whole / 3,
            lapses: whole * 2 / 3,
            warning: whole / 12,
            answer: (whole / 6).min(ANSWER_MAX),
            again: (whole / 20).min(AGAIN_MAX),
        }
    }
}

impl Candidate {
    pub(super) fn new(site: &CandidateSite, singleton: Arc<Singleton>) -> Candidate {
        let times = LeaseTimes::of(site.lease);
        let line = site.line.clone();
        Candidate {
            key: singleton.key(),
            leases: Leases::new(line.clone(), &site.prefix, times.answer),
            view: LeaseView::default(),
            times,
            line,
            clock: site.clock.clone(),
            subject: site.subject(),
            singleton,
            failures: 0,
        }
    }

    /// Runs until the program is not wanted on this host any more and its lease is given back.
    pub(super) async fn stand(mut self) {
        // Soon for the first time: the servers may not know yet that this host wants to hear of changes.
        let mut look_again_after = self.times.again;
        while self.singleton.is_wanted() {
            let entry = match self.leases.read(&self.key).await {
                Ok(entry) => entry,
                Err(cause) => {
                    self.singleton.show_fault(Some(&cause));
                    self.pause(self.times.again).await;
                    continue;
                }
            };
            self.singleton.show_fault(None);
            let owner = entry.record.as_ref().and_then(|record| record.owner.clone());
            self.singleton.show_owner(owner);
            let wait = self.view.wait(&entry, self.times.whole, self.clock.now());
            if !wait.is_zero() {
                // The owner announces each change; in case that is lost, the entry is read again.
                self.pause(wait.min(look_again_after)).await;
                look_again_after = self.times.whole / 2;
                continue;
            }
            if let Some(end) = self.take(&entry).await
                && !self.stands_again(end).await
            {
                return;
            }
        }
    }

    /// Takes the lease, and holds it until the program has ended; none if another host was quicker.
    async fn take(&mut self, entry: &LeaseEntry) -> Option<TermEnd> {
        let asked = self.clock.now();
        let fencing = match self.write(true, entry.revision).await {
            Ok(revision) => revision,
            // Another host was quicker, or the server that was asked is behind.
            Err(LeaseWriteError::Changed) => {
                self.pause(self.times.again).await;
                return None;
            }
            Err(LeaseWriteError::Unknown(cause)) => {
                self.singleton.show_fault(Some(&cause));
                self.pause(self.times.again).await;
                return None;
            }
        };
        let (program, place) = (self.singleton.program.clone(), self.singleton.place);
        let lapses = asked + self.times.lapses;
        let term = Arc::new(Term::new(program, place, fencing, lapses, self.times.warning));
        self.singleton.counters.terms.add(1);
        self.singleton.show_owner(Some(self.singleton.owner.clone()));
        self.singleton.show_term(Some(term.clone()));
        self.singleton.post.tell(Notice::Term(term.clone()));
        self.say_changed().await;
        let end = self.hold(&term, asked).await;
        self.singleton.show_term(None);
        if now_is_long_after(&self.clock, asked) {
            self.failures = 0;
        }
        Some(end)
    }

    /// Renews the lease until the program has ended; then gives it back.
    async fn hold(&mut self, term: &Arc<Term>, asked: Moment) -> TermEnd {
        let (mut revision, mut asked) = (term.fencing, asked);
        let mut next = asked + self.times.renewed;
        loop {
            tokio::select! {
                biased;
                end = term.ended() => {
                    if matches!(end, TermEnd::Lapsed | TermEnd::Cut) {
                        self.singleton.counters.lapsed.add(1);
                    }
                    if end != TermEnd::Cut {
                        self.give_back(revision, asked + (self.times.whole - self.times.answer)).await;
                    }
                    return end;
                }
                () = sleep(next.since(self.clock.now())) => {}
            }
            let now = self.clock.now();
            if asked + self.times.lapses <= now {
                // It has lapsed, for instance while the host was frozen: the reactor is about to end the term, and another host
                // may have the lease.
                next = now + self.times.again;
                continue;
            }
            match self.write(true, revision).await {
                Ok(renewed) => {
                    (revision, asked) = (renewed, now);
                    term.renew(asked + self.times.lapses);
                    next = asked + self.times.renewed;
                    self.singleton.counters.renewals.add(1);
                    self.singleton.show_fault(None);
                    self.say_changed().await;
                    continue;
                }
                Err(LeaseWriteError::Changed) => match self.leases.read(&self.key).await {
                    // The answer to an earlier renewal was lost; or another host has written at the same moment, was too late,
                    // and has noticed that: no other host has the lease before it has expired.
                    Ok(entry) if revision < entry.revision && has_owner(&entry) => {
                        revision = entry.revision;
                        next = now;
                        continue;
                    }
                    Ok(entry) if revision < entry.revision => return self.lose(term).await,
                    // One of the servers is behind.
                    Ok(_) => {}
                    Err(cause) => self.singleton.show_fault(Some(&cause)),
                },
                Err(LeaseWriteError::Unknown(cause)) => self.singleton.show_fault(Some(&cause)),
            }
            self.singleton.counters.not_renewed.add(1);
            next = self.clock.now() + self.times.again;
        }
    }

    /// Another host has the lease: the program ends at once.
    async fn lose(&self, term: &Arc<Term>) -> TermEnd {
        let ProgramName { tenant, plugin } = &self.singleton.program;
        tracing::error!(plugin, tenant, "the lease of a singleton was taken away");
        self.singleton.counters.lapsed.add(1);
        term.revoke();
        self.singleton.post.tell(Notice::Term(term.clone()));
        term.ended().await
    }

    /// Marks the lease as free. Soon after `until` it expires anyway, and another host may write.
    async fn give_back(&mut self, mut revision: u64, until: Moment) {
        loop {
            match self.write(false, revision).await {
                Ok(_) => {
                    let ProgramName { tenant, plugin } = &self.singleton.program;
                    tracing::info!(plugin, tenant, "the lease of a singleton is given back");
                    self.singleton.counters.given_back.add(1);
                    self.singleton.show_owner(None);
                    return self.say_changed().await;
                }
                Err(LeaseWriteError::Changed) => match self.leases.read(&self.key).await {
                    Ok(entry) if revision < entry.revision && self.is_own(&entry) => {
                        revision = entry.revision;
                        continue;
                    }
                    Ok(entry) if revision < entry.revision => return,
                    Ok(_) | Err(_) => {}
                },
                Err(LeaseWriteError::Unknown(_)) => {}
            }
            if until <= self.clock.now() {
                return;
            }
            sleep(self.times.again).await;
        }
    }

    /// Whether to be a candidate again after this end of a term; after a failure another host goes first.
    async fn stands_again(&mut self, end: TermEnd) -> bool {
        match end {
            TermEnd::Left | TermEnd::Lapsed => true,
            TermEnd::Unwanted => false,
            TermEnd::Failed | TermEnd::Cut => {
                let wait = STAND_AGAIN_AFTER * (1 << self.failures.min(DOUBLINGS_MAX));
                self.failures += 1;
                // A program that was cut off may continue for as long as its lease.
                let least = if end == TermEnd::Cut { self.times.whole } else { Duration::ZERO };
                sleep(wait.max(least)).await;
                true
            }
        }
    }

    async fn write(&mut self, is_owner: bool, revision: u64) -> Result<u64, LeaseWriteError> {
        let record = LeaseRecord {
            owner: is_owner.then(|| self.singleton.owner.clone()),
            lease_ms: u64::try_from(self.times.whole.as_millis()).unwrap_or(u64::MAX),
        };
        self.leases.write(&self.key, &record, revision).await
    }

    fn is_own(&self, entry: &LeaseEntry) -> bool {
        let owner = entry.record.as_ref().and_then(|record| record.owner.as_ref());
        owner == Some(&self.singleton.owner)
    }

    /// Notifies the other hosts of a change. A host that misses it reads the entry after half of a lease.
    async fn say_changed(&self) {
        if let Some(client) = self.line.client().await.filter(|_| self.line.is_connected()) {
            let _ = client.publish(self.subject.clone(), self.key.clone().into()).await;
        }
    }

    async fn pause(&self, at_most: Duration) {
        tokio::select! {
            () = sleep(at_most) => {}
            () = self.singleton.bell.notified() => {}
        }
    }
}

fn has_owner(entry: &LeaseEntry) -> bool {
    entry.record.as_ref().is_some_and(|record| record.owner.is_some())
}

/// Whether `begun` is long enough ago for earlier failures to be forgotten.
fn now_is_long_after(clock: &Clock, begun: Moment) -> bool {
    FORGIVEN_AFTER < clock.now().since(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If the clocks of two hosts run at about the same speed, no program begins before the other one has ended.
    #[test]
    fn a_program_has_ended_long_before_its_lease_is_anybodys() {
        for seconds in [1, 10, 3600] {
            let whole = Duration::from_secs(seconds);
            let times = LeaseTimes::of(whole);
            assert!(times.lapses * 3 <= whole * 2, "{times:?}");
            // More than one renewal can be tried, each with its time-out, before the program is told.
            assert!(times.renewed + (times.answer + times.again) < times.lapses - times.warning);
            assert!(times.again < times.warning, "{times:?}");
        }
    }
}
