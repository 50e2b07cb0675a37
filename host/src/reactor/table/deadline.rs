//! The deadlines of a reactor, by owner.

use std::collections::{BTreeSet, VecDeque};

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::reactor::table::backlog::Rate;
use crate::timer::{Pass, TimerKey, TimerQueue};

/// The purpose of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Purpose {
    /// A timer of a guest.
    Guest(InstanceId, u32),
    /// A call into a guest has exceeded its deadline and does not end.
    Overdue(InstanceId),
    /// A connection may have exceeded its inactivity time-out.
    Inactivity(ConnectionId),
    /// A connection has not been made in time.
    PendingConnect(ConnectionId),
    /// A TLS handshake has exceeded its deadline.
    Handshake(ConnectionId),
    /// The next address is tried in parallel to the slow ones.
    NextAttempt(ConnectionId),
    /// A close after writing has exceeded the close deadline.
    CloseDeadline(ConnectionId),
    /// A rate of this tenant is replenished.
    Replenished(usize, Rate),
    /// An instance whose downstream is full gets one read.
    Reprieve(InstanceId),
    /// A paused listener is resumed.
    Accept(usize),
    /// A connection that is being drained does not count as new any more.
    NotNewAnyMore(ConnectionId),
    /// A program that failed is started again.
    Restart(usize),
    /// The drain deadline of earlier versions of a plugin has passed.
    Retired {
        /// The index of the plugin.
        place: usize,
        /// The last of those versions.
        generation: u32,
    },
    /// The state that was handed over to this version of a plugin is not kept any longer.
    Kept {
        /// The index of the plugin.
        place: usize,
        /// The version.
        generation: u32,
    },
    /// The drain deadline of the accepted connections of this plugin has passed.
    Drained(usize),
    /// A term of a singleton, by its number, may be about to lapse.
    Term(u64),
    /// The current step of the stop has exceeded its deadline.
    StopDeadline,
}

/// The owner of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::reactor) enum Owner {
    Host,
    /// The tenant with this index.
    Tenant(usize),
}

/// Identifies a pending deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) struct DeadlineKey {
    owner: Owner,
    key: TimerKey,
}

impl DeadlineKey {
    /// The time at which it is due.
    pub(in crate::reactor) fn deadline(self) -> Moment {
        self.key.deadline()
    }
}

/// All deadlines of a reactor. Those of one owner are served in order; owners take turns, so that an owner with many due
/// deadlines does not delay the others.
#[derive(Debug)]
pub(in crate::reactor) struct Deadlines {
    host: TimerQueue<Purpose>,
    tenants: Vec<TimerQueue<Purpose>>,
    /// The earliest deadline of each owner that has any.
    earliest: BTreeSet<(TimerKey, Owner)>,
    /// The owners that are still to be served in this phase, and how many deadlines each may have.
    phase: VecDeque<(Owner, Pass, usize)>,
}

impl Deadlines {
    /// No deadlines, for this number of tenants.
    pub(in crate::reactor) fn new(tenants: usize) -> Deadlines {
        Deadlines {
            host: TimerQueue::new(),
            tenants: std::iter::repeat_with(TimerQueue::new).take(tenants).collect(),
            earliest: BTreeSet::new(),
            phase: VecDeque::new(),
        }
    }

    /// Makes room for at least `tenants` tenants.
    pub(in crate::reactor) fn grow(&mut self, tenants: usize) {
        while self.tenants.len() < tenants {
            self.tenants.push(TimerQueue::new());
        }
    }

    fn queue(&mut self, owner: Owner) -> &mut TimerQueue<Purpose> {
        match owner {
            Owner::Tenant(tenant) if tenant < self.tenants.len() => &mut self.tenants[tenant],
            _ => &mut self.host,
        }
    }

    /// Changes the deadlines of an owner, and updates its earliest one.
    fn change<T>(&mut self, owner: Owner, change: impl FnOnce(&mut TimerQueue<Purpose>) -> T) -> T {
        let queue = self.queue(owner);
        let before = queue.first();
        let changed = change(queue);
        let after = queue.first();
        if before != after {
            if let Some(key) = before {
                self.earliest.remove(&(key, owner));
            }
            if let Some(key) = after {
                self.earliest.insert((key, owner));
            }
        }
        changed
    }

    pub(in crate::reactor) fn insert(
        &mut self,
        owner: Owner,
        deadline: Moment,
        purpose: Purpose,
    ) -> DeadlineKey {
        let key = self.change(owner, |queue| queue.insert(deadline, purpose));
        DeadlineKey { owner, key }
    }

    /// Removes a pending deadline.
    pub(in crate::reactor) fn cancel(&mut self, key: DeadlineKey) {
        self.change(key.owner, |queue| queue.cancel(key.key));
    }

    /// Begins a phase at `now`: deadlines that are added later wait for the next phase.
    pub(in crate::reactor) fn begin_phase(&mut self, now: Moment, most: usize) {
        self.phase.clear();
        let due = self.earliest.iter().take_while(|(key, _)| key.is_due(now));
        let owners: Vec<Owner> = due.map(|(_, owner)| *owner).collect();
        for owner in owners {
            let pass = self.queue(owner).begin_pass(now);
            self.phase.push_back((owner, pass, most));
        }
    }

    /// Takes the next due deadline of an owner that has not used its share; none when the phase is over.
    pub(in crate::reactor) fn next_due(
        &mut self,
        mut has_used: impl FnMut(usize) -> bool,
    ) -> Option<Purpose> {
        while let Some((owner, pass, left)) = self.phase.pop_front() {
            if left == 0 || matches!(owner, Owner::Tenant(tenant) if has_used(tenant)) {
                continue;
            }
            if let Some(purpose) = self.change(owner, |queue| queue.pop_due(pass)) {
                self.phase.push_back((owner, pass, left - 1));
                return Some(purpose);
            }
        }
        None
    }

    /// The earliest deadline.
    pub(in crate::reactor) fn next_deadline(&self) -> Option<Moment> {
        self.earliest.first().map(|(key, _)| key.deadline())
    }

    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.earliest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_start(Duration::from_millis(milliseconds))
    }

    fn due(deadlines: &mut Deadlines, now: u64, has_used: impl Fn(usize) -> bool) -> Vec<usize> {
        deadlines.begin_phase(at(now), usize::MAX);
        let purposes = std::iter::from_fn(|| deadlines.next_due(&has_used));
        let place = |purpose| match purpose {
            Purpose::Accept(place) => place,
            other => panic!("{other:?}"),
        };
        purposes.map(place).collect()
    }

    #[test]
    fn owners_take_turns_and_each_has_its_order() {
        let mut deadlines = Deadlines::new(2);
        for (tenant, deadline, place) in
            [(0, 2, 12), (0, 1, 11), (0, 3, 13), (1, 3, 21), (1, 9, 29)]
        {
            deadlines.insert(Owner::Tenant(tenant), at(deadline), Purpose::Accept(place));
        }
        deadlines.insert(Owner::Host, at(2), Purpose::Accept(1));
        assert_eq!(deadlines.next_deadline(), Some(at(1)));
        assert_eq!(due(&mut deadlines, 5, |_| false), [11, 1, 21, 12, 13]);
        assert_eq!(deadlines.next_deadline(), Some(at(9)));
    }

    #[test]
    fn who_has_used_its_share_waits_for_the_next_turn() {
        let mut deadlines = Deadlines::new(2);
        for tenant in [0, 1] {
            deadlines.insert(Owner::Tenant(tenant), at(1), Purpose::Accept(tenant));
        }
        assert_eq!(due(&mut deadlines, 1, |tenant| tenant == 0), [1]);
        assert_eq!(deadlines.next_deadline(), Some(at(1)), "it is still due");
        assert_eq!(due(&mut deadlines, 1, |_| false), [0]);
        assert!(deadlines.is_empty());
    }

    #[test]
    fn a_cancelled_one_is_gone() {
        let mut deadlines = Deadlines::new(1);
        let first = deadlines.insert(Owner::Tenant(0), at(1), Purpose::Accept(1));
        deadlines.insert(Owner::Tenant(0), at(2), Purpose::Accept(2));
        deadlines.cancel(first);
        deadlines.cancel(first);
        assert_eq!(deadlines.next_deadline(), Some(at(2)));
        assert_eq!(due(&mut deadlines, 2, |_| false), [2]);
    }
}
