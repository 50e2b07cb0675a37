//! The processes of one tenant on all hosts: those that instances of this host have spawned anywhere (`children`), and those that are
//! on this host for parents anywhere (`residents`).
//!
//! Two hosts tell each other at intervals which processes they share (`exchange`). A host that is silent for too long is lost: the
//! parents of its processes are told, and the processes of its parents end. So no message has to arrive.

pub(crate) mod children;
mod exchange;
pub(crate) mod offers;
mod residents;
mod word;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_nats::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::unconstrained;

use crate::base::lock::Mutex;
use crate::clock::Clock;
use crate::cluster::counters::ProcessCounters;
use crate::cluster::hosts::HostId;
use crate::cluster::line::Line;
use crate::cluster::link::{LinkAccounts, LinkSite};
use crate::cluster::processes::children::{Child, Children};
use crate::cluster::processes::offers::{Choice, Offers, mix};
use crate::cluster::processes::residents::Residents;
use crate::cluster::processes::word::{NUMBERS_MAX, ProcessWord};
use crate::cluster::sealed::{CountedBytes, Sealed};
use crate::cluster::sequence::{Numbering, SenderNumbers};
use crate::cluster::subject::{SubjectKind, Subjects};
use crate::config::model::TenantConfig;
use crate::contract::outcome::ClusterExit;
use crate::mail::cluster_process::{ChildAdmission, ClusterPid, ExitNotice, ExitRelay};
use crate::mail::mailboxes::Undelivered;
use crate::mail::post::Address;
use crate::mail::process_service::{ProcessService, WantedProcess};
use crate::mail::relay::NoRelay;
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::host_memory::SENDER_BYTES;

/// The most bytes of the head of a message to a process, which has four numbers.
const NOTIFY_HEAD_BYTES: usize = 160;

/// Where the host's own processes are found, as soon as it serves.
pub(super) type ProcessServiceCell = Arc<OnceLock<Arc<dyn ProcessService>>>;

/// The processes of one tenant in the cluster, as the other parts of the host know them.
#[derive(Debug)]
pub struct ProcessLink {
    /// What is counted of them.
    pub counters: ProcessCounters,
    /// Their connection.
    pub line: Arc<Line>,
    /// The number of the link on this host.
    number: usize,
    host: HostId,
    /// The number of this host.
    own: u64,
    subjects: Subjects,
    outbox: ByteBudget,
    memory: ByteBudget,
    tenant: String,
    clock: Clock,
    ping: Duration,
    children: Children,
    residents: Residents,
    offers: Offers,
    service: ProcessServiceCell,
    /// The number of the next process, from a beginning that no other host has.
    next: AtomicU64,
    numbering: Mutex<Numbering>,
    heard: Mutex<SenderNumbers>,
    /// Rung when this host begins to serve.
    bell: Arc<Notify>,
    me: Weak<ProcessLink>,
}

/// A process that an instance of this host wants.
#[derive(Debug)]
pub(crate) struct ClusterSpawn {
    /// The plugin of the instance.
    pub(crate) parent: String,
    /// The instance.
    pub(crate) address: Address,
    /// Its plugin.
    pub(crate) plugin: String,
    /// The name by which the plugin knows what to run.
    pub(crate) name: String,
    /// Its argument.
    pub(crate) argument: Vec<u8>,
    /// What it takes of the parent's plugin.
    pub(crate) admission: ChildAdmission,
}

/// Why a process is not spawned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSpawned {
    /// This host, which was chosen, has no place for it.
    NoPlace,
    /// The request does not go to its host.
    NotRelayed(NoRelay),
}

/// Why a message to a process is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// Its host is not known, or it has ended.
    Gone,
    /// Its mailbox on this host is full.
    Full,
    /// It does not go to its host.
    NotRelayed(NoRelay),
}

impl ProcessLink {
    /// The processes of a tenant over a connection. Its task begins at once, and ends with it.
    pub(super) fn new(
        site: LinkSite,
        tenant: &TenantConfig,
        accounts: LinkAccounts,
        line: Arc<Line>,
        with: (ProcessServiceCell, Clock, Duration),
    ) -> Arc<ProcessLink> {
        let LinkSite { number, host, prefix, runtime } = site;
        let (service, clock, ping) = with;
        let own = host.number();
        let link = Arc::new_cyclic(|me| ProcessLink {
            counters: ProcessCounters::default(),
            line,
            number,
            host,
            own,
            subjects: Subjects::new(&prefix, &tenant.name),
            outbox: accounts.outbox,
            memory: accounts.memory.clone(),
            tenant: tenant.name.clone(),
            clock,
            ping,
            children: Children::default(),
            residents: Residents::default(),
            offers: Offers::new(accounts.memory.clone()),
            service,
            next: AtomicU64::new(mix(own ^ mix(u64::try_from(number).unwrap_or_default()))),
            numbering: Mutex::default(),
            heard: Mutex::new(SenderNumbers::new(accounts.memory)),
            bell: Arc::default(),
            me: me.clone(),
        });
        link.begin(&runtime);
        link
    }

    fn begin(self: &Arc<Self>, runtime: &Handle) {
        let (link, line) = (Arc::downgrade(self), self.line.clone());
        let own = self.subjects.of(SubjectKind::Process, &format!("{:016x}", self.own));
        let all = self.subjects.of_all_processes();
        // Takes all messages at each turn, as the feeds of channels do.
        runtime.spawn(unconstrained(exchange::keep(link, line, [own, all])));
    }

    /// Tells the others what this host offers now.
    pub(super) fn announce(&self) {
        self.bell.notify_one();
    }

    /// The host for a process of a plugin; none if no host that is known has it.
    pub(crate) fn place(&self, plugin: &str, choice: Choice<'_>) -> Option<u64> {
        let own = self.service.get().and_then(|it| it.free_of(&self.tenant, plugin));
        let seed = self.next.load(Ordering::Relaxed);
        self.offers.choose(plugin, choice, own.map(|free| (self.own, free)), seed)
    }

    /// Whether this is the number of this host.
    pub(crate) fn is_own(&self, host: u64) -> bool {
        host == self.own
    }

    /// Has a process created on a host; its end is told to its parent, whatever becomes of it.
    ///
    /// # Errors
    /// When this host has no place for it, or another one would not hear of it.
    pub(crate) fn spawn(&self, host: u64, spawn: ClusterSpawn) -> Result<ClusterPid, NotSpawned> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let ClusterSpawn { parent, address, plugin, name, argument, admission } = spawn;
        let child = Child::new(host, address, self.clock.now(), admission);
        let pid = ClusterPid { host, number };
        if self.is_own(host) {
            let wanted = WantedProcess { parent: &parent, plugin: &plugin, name, argument };
            if !self.admit(self.own, pid, wanted) {
                return Err(NotSpawned::NoPlace);
            }
            // It cannot end before it is confirmed.
            self.children.add(number, child);
            self.residents.confirm(self.own, &[number], self.clock.now());
        } else {
            let word = ProcessWord::Spawn { number, parent, plugin, name };
            let bytes = word::write(self.own, word, &argument);
            let room = self.room(bytes.len()).map_err(NotSpawned::NotRelayed)?;
            // Known before it can be answered.
            self.children.add(number, child);
            self.push(self.subject_of(host), bytes, room);
        }
        self.counters.spawned.add(1);
        Ok(pid)
    }

    /// Sends a message to a process. Returns the budget that it takes room of, if there is one.
    ///
    /// # Errors
    /// When it is not taken.
    pub(crate) fn notify(
        &self,
        pid: ClusterPid,
        message: Vec<u8>,
        tenant: usize,
    ) -> Result<ByteBudget, NotSent> {
        if self.is_own(pid.host) {
            let door = self.residents.door(pid.number).ok_or(NotSent::Gone)?;
            let notified = door.processes.notify(door.process, message, tenant);
            return notified.map_err(|fault| match fault {
                Undelivered::Gone => NotSent::Gone,
                Undelivered::Full => NotSent::Full,
            });
        }
        if !self.offers.has(pid.host) {
            return Err(NotSent::Gone);
        }
        let length = message.len().saturating_add(NOTIFY_HEAD_BYTES);
        let room = self.room(length).map_err(NotSent::NotRelayed)?;
        // Held until it is in the queue: numbers are sent in their order.
        let mut numbering = self.numbering.lock();
        let at = numbering.take(&pid.number.to_string(), 1);
        let word = ProcessWord::Notify { number: pid.number, run: at.run, place: at.number };
        let bytes = word::write(self.own, word, &message);
        self.push(self.subject_of(pid.host), bytes, room);
        Ok(self.outbox.clone())
    }

    /// Ends a process that an instance of this host has spawned.
    pub(crate) fn kill(&self, number: u64) {
        if let Some(host) = self.children.host_of(number) {
            self.say_kill(host, &[number]);
        }
    }

    /// The instance that has spawned these has ended.
    pub(crate) fn abandon(&self, numbers: impl Iterator<Item = u64>) {
        let mut by_host = BTreeMap::<u64, Vec<u64>>::new();
        for (number, child) in self.children.abandon(numbers) {
            by_host.entry(child.host).or_default().push(number);
        }
        by_host.iter().for_each(|(host, numbers)| self.say_kill(*host, numbers));
    }

    /// The number of processes that instances here have in the cluster, of those here, and of other hosts.
    pub fn counts(&self) -> [usize; 3] {
        [self.children.count(), self.residents.count(), self.offers.count()]
    }

    /// A lost word is said again when the host tells that it has the processes.
    fn say_kill(&self, host: u64, numbers: &[u64]) {
        if self.is_own(host) {
            self.residents.kill(self.own, numbers);
            return;
        }
        for some in numbers.chunks(NUMBERS_MAX) {
            self.say(host, ProcessWord::Kill(some.to_vec()));
        }
    }

    /// Admits a process to this host, and says whether it did.
    fn admit(&self, parent: u64, pid: ClusterPid, wanted: WantedProcess<'_>) -> bool {
        let me = self.me.clone() as Weak<dyn ExitRelay>;
        let mut notice = ExitNotice::new(pid, me);
        notice.set(ClusterExit::Unavailable);
        let Some(service) = self.service.get() else { return false };
        let kept = self.memory.reserve(SENDER_BYTES);
        let birth = kept.and_then(|kept| {
            let birth = service.admit(&self.tenant, wanted, notice)?;
            Some((birth, kept))
        });
        let Some((birth, kept)) = birth else { return false };
        let now = self.clock.now();
        let admitted = self.residents.admit(parent, service.processes(), birth, kept, now);
        if let Err(mut twin) = admitted {
            twin.notice.withdraw();
            return false;
        }
        true
    }

    fn subject_of(&self, host: u64) -> String {
        self.subjects.of(SubjectKind::Process, &format!("{host:016x}"))
    }

    fn room(&self, length: usize) -> Result<Reservation, NoRelay> {
        let counters = &self.counters.traffic;
        self.line.room(&self.outbox, length, &counters.too_large, &counters.refused)
    }

    fn push(&self, subject: String, data: Vec<u8>, room: Reservation) {
        let payload = CountedBytes::bytes(data, room);
        let counters = self.counters.traffic.clone();
        let word = Sealed { subject, headers: HeaderMap::new(), payload, count: 1, counters };
        self.line.outgoing.add(self.number, word);
    }

    /// Says something to another host, if there is room.
    fn say(&self, host: u64, word: ProcessWord) {
        let bytes = word::write(self.own, word, &[]);
        if let Ok(room) = self.room(bytes.len()) {
            self.push(self.subject_of(host), bytes, room);
        }
    }
}

impl ExitRelay for ProcessLink {
    fn ended(&self, number: u64, reason: ClusterExit) {
        match self.residents.end(self.own, number, reason) {
            Some(parent) if parent != self.own => self.say_exited(parent, number, reason),
            // Of an instance here; one that was not admitted is of whoever wants it.
            _ => {
                if let Some(child) = self.children.end(self.own, number) {
                    self.counters.count_exit(reason);
                    child.tell(number, reason);
                }
            }
        }
    }
}

impl ProcessLink {
    fn say_exited(&self, parent: u64, number: u64, reason: ClusterExit) {
        self.say(parent, ProcessWord::Exited { number, reason: reason.name().to_owned() });
    }
}

impl Drop for ProcessLink {
    fn drop(&mut self) {
        for (number, child) in self.children.lose_all() {
            child.tell(number, ClusterExit::HostLost);
        }
    }
}
