//! The processes that instances of this host have spawned in the cluster, until their end is told.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::Moment;
use crate::contract::outcome::ClusterExit;
use crate::mail::cluster_process::{ChildAdmission, ClusterPid};
use crate::mail::post::{Address, Mail};

/// For how long the host of a process may be silent about it at the beginning.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// All of a tenant, by number.
#[derive(Debug, Default)]
pub(super) struct Children(Mutex<HashMap<u64, Child>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Child {
    /// Its host.
    pub(super) host: u64,
    /// The instance that has spawned it.
    parent: Address,
    spawned: Moment,
    /// When its host was last heard to have it.
    heard: Option<Moment>,
    held: ChildAdmission,
}

impl Child {
    /// A process that is wanted now.
    pub(super) fn new(host: u64, parent: Address, now: Moment, held: ChildAdmission) -> Child {
        Child { host, parent, spawned: now, heard: None, held }
    }

    /// Tells its parent how it has ended.
    pub(super) fn tell(self, number: u64, reason: ClusterExit) {
        let Child { host, parent: Address { post, instance: parent, .. }, held, .. } = self;
        let pid = ClusterPid { host, number };
        post.send(Mail::ClusterExited { pid, parent, reason, held });
    }

    /// Why it counts as ended, if its host was silent about it for too long.
    fn silence(&self, patience: Duration, now: Moment) -> Option<ClusterExit> {
        match self.heard {
            Some(heard) => (patience <= now.since(heard)).then_some(ClusterExit::HostLost),
            None => (BEGINS_WITHIN.max(patience) <= now.since(self.spawned))
                .then_some(ClusterExit::Unavailable),
        }
    }
}

impl Children {
    pub(super) fn add(&self, number: u64, child: Child) {
        self.lock().insert(number, child);
    }

    /// A host says that it has these: those that are known, and those that are not.
    pub(super) fn hear(&self, host: u64, numbers: &[u64], now: Moment) -> (Vec<u64>, Vec<u64>) {
        let mut children = self.lock();
        numbers.iter().partition(|number| {
            let child = children.get_mut(number).filter(|child| child.host == host);
            child.map(|child| child.heard = Some(now)).is_some()
        })
    }

    /// Removes one, if it is on this host.
    pub(super) fn end(&self, host: u64, number: u64) -> Option<Child> {
        let mut children = self.lock();
        children.get(&number).filter(|child| child.host == host)?;
        children.remove(&number)
    }

    /// Removes these, whose parent has ended; those that were there, with their hosts.
    pub(super) fn abandon(&self, numbers: impl Iterator<Item = u64>) -> Vec<(u64, Child)> {
        let mut children = self.lock();
        numbers.filter_map(|number| Some((number, children.remove(&number)?))).collect()
    }

    /// The host of one of them.
    pub(super) fn host_of(&self, number: u64) -> Option<u64> {
        self.lock().get(&number).map(|child| child.host)
    }

    /// Removes those of a host that has left.
    pub(super) fn lose(&self, host: u64) -> Vec<(u64, Child)> {
        self.lock().extract_if(|_, child| child.host == host).collect()
    }

    /// Removes those whose hosts were silent for too long, except those of `own`. Each host has a patience of its own.
    pub(super) fn take_silent(
        &self,
        own: u64,
        patience: impl Fn(u64) -> Duration,
        now: Moment,
    ) -> Vec<(u64, Child, ClusterExit)> {
        let mut children = self.lock();
        let is_silent = |child: &Child| child.silence(patience(child.host), now);
        let silent = children.extract_if(|_, it| it.host != own && is_silent(it).is_some());
        let with_reason = |(number, child): (u64, Child)| {
            let reason = is_silent(&child).unwrap_or(ClusterExit::HostLost);
            (number, child, reason)
        };
        silent.map(with_reason).collect()
    }

    /// Removes all.
    pub(super) fn lose_all(&self) -> Vec<(u64, Child)> {
        self.lock().drain().collect()
    }

    /// Their number.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Child>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};

    use mio::{Poll, Waker};

    use super::*;
    use crate::base::arena::Arena;
    use crate::base::token::PollSource;
    use crate::mail::post::{Bell, Post};
    use crate::quota::budget::ByteBudget;
    use crate::quota::semaphore::Semaphore;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    /// Children of one parent, and what it is told.
    struct Family {
        children: Children,
        address: Address,
        mail: Receiver<Mail>,
        places: Semaphore,
        _poll: Poll,
    }

    impl Family {
        fn new() -> Family {
            let poll = Poll::new().expect("a poll");
            let waker = Waker::new(poll.registry(), PollSource::Waker.into()).expect("a waker");
            let (sender, mail) = channel();
            let post = Post::new(channel().0, sender, Arc::new(Bell::new(waker)));
            let instance = Arena::<()>::new().insert(());
            let address = Address { reactor: 0, post, instance };
            let places = Semaphore::new(100);
            Family { children: Children::default(), address, mail, places, _poll: poll }
        }

        fn spawn(&self, host: u64, number: u64) {
            let kept = ByteBudget::new(1).reserve(1).expect("room");
            let held = ChildAdmission::new(self.places.try_acquire(), kept);
            self.children.add(number, Child::new(host, self.address.clone(), at(0), held));
        }

        fn told(&self) -> Vec<(u64, ClusterExit)> {
            let told = self.mail.try_iter().map(|mail| match mail {
                Mail::ClusterExited { pid, reason, .. } => (pid.number, reason),
                other => panic!("{other:?}"),
            });
            told.collect()
        }
    }

    #[test]
    fn only_its_own_host_ends_a_process_and_only_once() {
        let family = Family::new();
        family.spawn(1, 7);
        assert!(family.children.end(2, 7).is_none(), "another host");
        family.children.end(1, 7).expect("a child").tell(7, ClusterExit::Trapped);
        assert!(family.children.end(1, 7).is_none());
        assert!(family.children.lose(1).is_empty());
        assert_eq!(family.places.acquired(), 1, "until it is told");
        assert_eq!(family.told(), [(7, ClusterExit::Trapped)]);
        assert_eq!(family.places.acquired(), 0);
    }

    #[test]
    fn a_host_is_told_which_are_known() {
        let family = Family::new();
        family.spawn(1, 7);
        family.spawn(2, 8);
        assert_eq!(family.children.hear(1, &[7, 8, 9], at(1)), (vec![7], vec![8, 9]));
    }

    #[test]
    fn who_is_silent_is_lost_and_who_never_said_a_word_was_never_there() {
        let family = Family::new();
        [(1, 7), (2, 8), (3, 9)].into_iter().for_each(|(host, it)| family.spawn(host, it));
        family.children.hear(1, &[7], at(15));
        let silent = |now| {
            let mut lost = family.children.take_silent(3, |_| PATIENCE, at(now));
            lost.sort_by_key(|(number, ..)| *number);
            lost.into_iter().map(|(number, _, why)| (number, why)).collect::<Vec<_>>()
        };
        assert_eq!(silent(19), []);
        assert_eq!(silent(20), [(8, ClusterExit::Unavailable)]);
        assert_eq!(silent(35), [(7, ClusterExit::HostLost)]);
        assert_eq!(silent(1000), [], "those of this host are not heard of");
        assert_eq!(family.children.count(), 1);
    }

    #[test]
    fn an_end_of_a_parent_takes_its_own_only() {
        let family = Family::new();
        [(1, 7), (2, 8), (2, 9)].into_iter().for_each(|(host, it)| family.spawn(host, it));
        let mut gone: Vec<(u64, u64)> = { family.children.abandon([7, 8, 10].into_iter()) }
            .into_iter()
            .map(|(number, child)| (number, child.host))
            .collect();
        gone.sort_unstable();
        assert_eq!(gone, [(7, 1), (8, 2)]);
        assert_eq!(family.children.host_of(9), Some(2));
    }
}
