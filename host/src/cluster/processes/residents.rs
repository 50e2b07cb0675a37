//! The processes of the cluster on this host, whose parents may be on others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::Moment;
use crate::contract::outcome::ClusterExit;
use crate::mail::mailboxes::{ForeignBirth, Processes};
use crate::mail::post::{Mail, Post};
use crate::quota::budget::Reservation;

/// All of a tenant, by number.
#[derive(Debug, Default)]
pub(super) struct Residents(Mutex<HashMap<u64, Resident>>);

/// One of them.
#[derive(Debug)]
struct Resident {
    /// The host of its parent.
    parent: u64,
    /// When that host was last heard to have the parent.
    heard: Moment,
    state: ResidentState,
    door: ResidentDoor,
    _kept: Reservation,
}

/// How far it is.
#[derive(Debug)]
enum ResidentState {
    /// Its parent's host was asked whether it has the parent.
    Asked(Box<ForeignBirth>),
    /// Its reactor has it.
    Running,
    /// It has ended, which its parent's host has not confirmed.
    Ended(ClusterExit),
}

/// The way to a process on this host.
#[derive(Debug, Clone)]
pub(super) struct ResidentDoor {
    /// Its id here.
    pub(super) process: u32,
    /// Its tenant.
    pub(super) tenant: usize,
    /// The table with its mailbox.
    pub(super) processes: Arc<Processes>,
    post: Post,
}

/// What a host has to do at intervals about processes whose parents are on another one.
#[derive(Debug, Default)]
pub(super) struct ParentNews {
    /// It has these.
    pub(super) alive: Vec<u64>,
    /// These have ended.
    pub(super) ended: Vec<(u64, ClusterExit)>,
}

impl ResidentDoor {
    /// Has its reactor end it.
    fn kill(&self) {
        self.post.send(Mail::KillBorn { process: self.process, tenant: self.tenant });
    }
}

impl Residents {
    /// A process that was admitted. It is created when its parent's host has confirmed it. Returned if the number is taken.
    pub(super) fn admit(
        &self,
        parent: u64,
        processes: Arc<Processes>,
        birth: Box<ForeignBirth>,
        kept: Reservation,
        now: Moment,
    ) -> Result<(), Box<ForeignBirth>> {
        let mut residents = self.lock();
        let number = birth.notice.pid.number;
        if residents.contains_key(&number) {
            return Err(birth);
        }
        let (process, tenant, post) = (birth.process.id(), birth.tenant, birth.post.clone());
        let door = ResidentDoor { process, tenant, processes, post };
        let state = ResidentState::Asked(birth);
        residents.insert(number, Resident { parent, heard: now, state, door, _kept: kept });
        Ok(())
    }

    /// The host `parent` has the parents of these: those that wait for it are created.
    pub(super) fn confirm(&self, parent: u64, numbers: &[u64], now: Moment) {
        let mut begun = Vec::new();
        let mut residents = self.lock();
        for number in numbers {
            let known = residents.get_mut(number).filter(|it| it.parent == parent);
            let Some(resident) = known else { continue };
            resident.heard = now;
            if let ResidentState::Asked(_) = &resident.state {
                let before = std::mem::replace(&mut resident.state, ResidentState::Running);
                begun.push(before);
            }
        }
        drop(residents);
        for before in begun {
            if let ResidentState::Asked(birth) = before {
                birth.begin();
            }
        }
    }

    /// Ends these, if their parents are on the host `parent`. Returns those that are not here.
    pub(super) fn kill(&self, parent: u64, numbers: &[u64]) -> Vec<u64> {
        let (mut unborn, mut unknown) = (Vec::new(), Vec::new());
        let mut residents = self.lock();
        for number in numbers {
            match residents.get_mut(number) {
                Some(resident) if resident.parent == parent => {
                    unborn.extend(resident.kill());
                }
                Some(_) => {}
                None => unknown.push(*number),
            }
        }
        // Dropping one tells that it has ended, which takes the lock.
        drop(residents);
        drop(unborn);
        unknown
    }

    /// Ends all whose parents are on a host that has left; their number.
    pub(super) fn orphan(&self, parent: u64, now: Moment) -> usize {
        self.end_where(|resident| resident.parent == parent, now)
    }

    /// Ends those whose parents' hosts were silent for too long, and forgets what was to be told to such hosts. `own` is heard at
    /// any time. Their number.
    pub(super) fn end_silent(
        &self,
        own: u64,
        patience: impl Fn(u64) -> Duration,
        now: Moment,
    ) -> usize {
        let is_silent =
            |it: &Resident| it.parent != own && patience(it.parent) <= now.since(it.heard);
        self.end_where(is_silent, now)
    }

    fn end_where(&self, is_meant: impl Fn(&Resident) -> bool, now: Moment) -> usize {
        let mut residents = self.lock();
        let mut unborn = Vec::new();
        let mut count = 0;
        residents.retain(|_, resident| {
            if !is_meant(resident) {
                return true;
            }
            count += usize::from(!matches!(resident.state, ResidentState::Ended(_)));
            unborn.extend(resident.kill());
            // Its reactor is told once.
            resident.heard = now;
            !matches!(resident.state, ResidentState::Ended(_))
        });
        drop(residents);
        drop(unborn);
        count
    }

    /// A process of this host has ended. Returns its parent's host; if that is `own`, nobody has to confirm it.
    pub(super) fn end(&self, own: u64, number: u64, reason: ClusterExit) -> Option<u64> {
        let mut residents = self.lock();
        let resident = residents.get_mut(&number)?;
        let parent = resident.parent;
        if parent == own {
            residents.remove(&number);
        } else {
            resident.state = ResidentState::Ended(reason);
        }
        Some(parent)
    }

    /// The end of a process was heard by its parent's host.
    pub(super) fn forget(&self, parent: u64, number: u64) {
        let mut residents = self.lock();
        let is_over =
            |it: &&Resident| it.parent == parent && matches!(it.state, ResidentState::Ended(_));
        if residents.get(&number).filter(is_over).is_some() {
            residents.remove(&number);
        }
    }

    /// Whether there is one with this number, be it one that has ended.
    pub(super) fn has(&self, number: u64) -> bool {
        self.lock().contains_key(&number)
    }

    /// The way to one that has not ended.
    pub(super) fn door(&self, number: u64) -> Option<ResidentDoor> {
        let residents = self.lock();
        let resident = residents.get(&number)?;
        let has_ended = matches!(resident.state, ResidentState::Ended(_));
        (!has_ended).then(|| resident.door.clone())
    }

    /// What is to be told, by the host that it is told to.
    pub(super) fn news(&self, own: u64) -> HashMap<u64, ParentNews> {
        let mut news: HashMap<u64, ParentNews> = HashMap::new();
        for (number, resident) in self.lock().iter().filter(|(_, it)| it.parent != own) {
            let of_parent = news.entry(resident.parent).or_default();
            match resident.state {
                ResidentState::Ended(reason) => of_parent.ended.push((*number, reason)),
                ResidentState::Asked(_) | ResidentState::Running => of_parent.alive.push(*number),
            }
        }
        news
    }

    /// Those that have not ended.
    pub(super) fn count(&self) -> usize {
        let residents = self.lock();
        residents.values().filter(|it| !matches!(it.state, ResidentState::Ended(_))).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Resident>> {
        self.0.lock()
    }
}

impl Resident {
    /// Ends it; returned if it was not created yet, to be dropped without the lock.
    fn kill(&mut self) -> Option<Box<ForeignBirth>> {
        let killed = ResidentState::Ended(ClusterExit::Killed);
        match &self.state {
            ResidentState::Asked(_) => match std::mem::replace(&mut self.state, killed) {
                ResidentState::Asked(mut birth) => {
                    birth.notice.set(ClusterExit::Killed);
                    Some(birth)
                }
                ResidentState::Running | ResidentState::Ended(_) => None,
            },
            ResidentState::Running => {
                self.door.kill();
                None
            }
            ResidentState::Ended(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::sync::mpsc::{Receiver, channel};

    use mio::{Poll, Waker};

    use super::*;
    use crate::base::token::PollSource;
    use crate::mail::cluster_process::{ClusterPid, ExitNotice, ExitRelay};
    use crate::mail::mailboxes::{Process, TenantMail};
    use crate::mail::message::Message;
    use crate::mail::post::Bell;
    use crate::quota::budget::ByteBudget;
    use crate::quota::host_memory::Admission;
    use crate::quota::semaphore::Semaphore;

    /// This host, and that of the parents.
    const OWN: u64 = 1;
    const PARENT: u64 = 2;
    const PATIENCE: Duration = Duration::from_secs(20);

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    /// Residents, what is told of their ends, and what their reactor gets.
    #[derive(Debug)]
    struct Told {
        residents: Residents,
        ends: Mutex<Vec<(u64, ClusterExit)>>,
    }

    impl ExitRelay for Told {
        fn ended(&self, number: u64, reason: ClusterExit) {
            self.residents.end(OWN, number, reason);
            self.ends.lock().push((number, reason));
        }
    }

    struct House {
        told: Arc<Told>,
        table: Arc<Processes>,
        budget: ByteBudget,
        post: Post,
        mail: Receiver<Mail>,
        _poll: Poll,
    }

    impl House {
        fn new() -> House {
            let poll = Poll::new().expect("a poll");
            let waker = Waker::new(poll.registry(), PollSource::Waker.into()).expect("a waker");
            let (sender, mail) = channel();
            let post = Post::new(channel().0, sender, Arc::new(Bell::new(waker)));
            let told = Told { residents: Residents::default(), ends: Mutex::default() };
            let budget = ByteBudget::new(1 << 20);
            House { told: Arc::new(told), table: Arc::default(), budget, post, mail, _poll: poll }
        }

        fn admit(&self, parent: u64, number: u64) -> Result<(), Box<ForeignBirth>> {
            let permit = Semaphore::new(1).try_acquire().expect("a place");
            let admission = Admission::of(permit, &self.budget, 1).expect("room");
            let mail = TenantMail { index: 0, messages: self.budget.clone() };
            let post = self.post.clone();
            let process = Process::new(&self.table, &mail, 0, post.clone(), 1000, admission);
            let relay = Arc::downgrade(&self.told) as Weak<dyn ExitRelay>;
            let birth = Box::new(ForeignBirth {
                process,
                plugin: 0,
                tenant: 0,
                name: "p".to_owned(),
                argument: Message::new(Vec::new(), &self.budget, None).expect("room"),
                notice: ExitNotice::new(ClusterPid { host: OWN, number }, relay),
                post,
            });
            let kept = self.budget.reserve(1).expect("room");
            self.told.residents.admit(parent, self.table.clone(), birth, kept, at(0))
        }

        /// What its reactor was told: who is born, and how many are killed.
        fn born(&self) -> (Vec<ForeignBirth>, usize) {
            let (mut born, mut killed) = (Vec::new(), 0);
            for mail in self.mail.try_iter() {
                match mail {
                    Mail::Born(birth) => born.push(*birth),
                    Mail::KillBorn { .. } => killed += 1,
                    other => panic!("{other:?}"),
                }
            }
            (born, killed)
        }

        fn ends(&self) -> Vec<(u64, ClusterExit)> {
            std::mem::take(&mut *self.told.ends.lock())
        }
    }

    #[test]
    fn it_is_born_when_its_parents_host_confirms_and_its_end_is_kept_until_it_is_heard() {
        let house = House::new();
        let residents = &house.told.residents;
        house.admit(PARENT, 7).expect("a new number");
        let mut twin = house.admit(PARENT, 7).expect_err("the number is taken");
        twin.notice.withdraw();
        drop(twin);
        residents.confirm(3, &[7], at(0));
        assert!(house.born().0.is_empty(), "another host has not asked for it");
        residents.confirm(PARENT, &[7, 8], at(0));
        residents.confirm(PARENT, &[7], at(0));
        let (mut born, _) = house.born();
        assert_eq!((born.len(), residents.count()), (1, 1));
        born[0].notice.set(ClusterExit::Finished);
        drop(born);
        assert_eq!(house.ends(), [(7, ClusterExit::Finished)]);
        assert!(residents.door(7).is_none() && residents.has(7));
        assert_eq!(residents.news(OWN)[&PARENT].ended, [(7, ClusterExit::Finished)]);
        residents.forget(3, 7);
        assert!(residents.has(7), "another host has not heard it");
        residents.forget(PARENT, 7);
        assert!(!residents.has(7));
    }

    #[test]
    fn only_its_parents_host_kills_it_be_it_born_or_not() {
        let house = House::new();
        let residents = &house.told.residents;
        for number in [7, 8] {
            house.admit(PARENT, number).expect("a new number");
        }
        residents.confirm(PARENT, &[8], at(0));
        assert_eq!(residents.kill(3, &[7, 8, 9]), [9]);
        assert!(house.ends().is_empty());
        assert_eq!(residents.kill(PARENT, &[7, 8]), [] as [u64; 0]);
        assert_eq!(house.ends(), [(7, ClusterExit::Killed)]);
        assert_eq!(house.born().1, 1, "the reactor ends the other one");
    }

    #[test]
    fn a_silent_host_ends_its_processes_and_others_stay() {
        let house = House::new();
        let residents = &house.told.residents;
        for (parent, number) in [(PARENT, 7), (PARENT, 8), (3, 9), (OWN, 10)] {
            house.admit(parent, number).expect("a new number");
            residents.confirm(parent, &[number], at(0));
        }
        residents.confirm(3, &[9], at(15));
        assert_eq!(residents.end_silent(OWN, |_| PATIENCE, at(19)), 0);
        assert_eq!(residents.end_silent(OWN, |_| PATIENCE, at(20)), 2);
        assert_eq!(residents.end_silent(OWN, |_| PATIENCE, at(20)), 0, "they are told once");
        let (born, killed) = house.born();
        assert_eq!((born.len(), killed), (4, 2));
        assert_eq!(residents.orphan(4, at(20)), 0);
        assert_eq!(residents.orphan(3, at(20)), 1);
    }
}
