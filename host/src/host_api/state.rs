//! What one instance may touch while it runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Waker;

use crate::base::arena::ConnectionId;
use crate::clock::Clock;
use crate::config::limits;
use crate::config::model::Isolation;
use crate::contract::bindings::{ErrorCode, types};
use crate::host_api::call::CallMeter;
use crate::host_api::command::Commands;
use crate::host_api::handles::Sockets;
use crate::host_api::kept::{HandlesAllowed, KeptKind, KeptMeter, OwnCounts};
use crate::host_api::memory::MemoryMeter;
use crate::host_api::owned::{OwnJobs, Pops, Subscriptions};
use crate::host_api::voice::Voice;
use crate::host_api::wasi::Wasi;
use crate::host_api::wasi::http::connections::HttpServer;
use crate::log::text::GuestText;
use crate::mail::post::Address;
use crate::plugin::Plugin;
use crate::plugin::shared::HostShared;
use crate::quota::budget::ByteBudget;
use crate::quota::host_memory::{HANDLE_BYTES, JOB_BYTES, TICK_BYTES, TIMER_BYTES};

/// The state of a sandbox on the host's side; it moves with its store.
pub struct HostState {
    /// The plugin this is an instance of.
    pub plugin: Arc<Plugin>,
    /// Its environment.
    pub env: Env,
    /// Where others reach it; nobody reaches an operation, nor an instance whose reactor does not run yet.
    pub address: Option<Address>,
    /// The connections it owns, by the number in its handles.
    pub sockets: Sockets,
    /// What it asked for in the running callback.
    pub commands: Commands,
    /// Bytes that it has sent in the running callback and the system has taken.
    pub sent: u64,
    /// The connection that the running callback is about.
    pub subject: Option<ConnectionId>,
    /// The number of the handle that it has of that connection.
    pub subject_handle: Option<u32>,
    /// How many events it has been told.
    pub events: u64,
    /// Made when it first says something.
    pub(super) voice: Option<Voice>,
    /// Ids of timers that are set and not fired or cancelled.
    pub timers: HashSet<u32>,
    /// Ids of listeners that it has opened and not closed.
    pub listeners: HashSet<u32>,
    /// Ticks that wait.
    pub ticks: u32,
    pub(super) next_tick: u32,
    /// Whether the reactor runs, as the plugin sees it.
    pub running: bool,
    /// Whether it is a process.
    pub is_process: bool,
    /// Its subscriptions.
    pub subscriptions: Subscriptions,
    /// Its pops that wait.
    pub pops: Pops,
    /// Ids of watches that have not ended.
    pub watches: HashSet<u32>,
    /// What it filled last: while that is pressed, its connections are not read.
    fills: Option<ByteBudget>,
    /// Its deferred jobs that have not ended.
    pub jobs: OwnJobs,
    /// Timers, listeners, jobs, subscriptions and pops have their ids from here.
    pub(super) ids: Ids,
    /// Its memory and tables.
    pub memory: MemoryMeter,
    /// What the host keeps for it, in its tenant's account.
    pub kept: KeptMeter,
    /// What it has of its tenant's counts.
    pub(super) counts: OwnCounts,
    /// The measure of the call that it is in.
    pub call: CallMeter,
    /// Made when a guest first asks for anything of WASI, which most never do.
    pub(super) wasi: Option<Box<Wasi>>,
    /// Its connections, where it serves HTTP by `wasi:http`.
    pub(super) http: Option<Box<HttpServer>>,
}

impl HostState {
    /// The state of a new instance.
    pub fn new(plugin: Arc<Plugin>, env: Env) -> HostState {
        let limits = &plugin.config.limits;
        let memory = MemoryMeter::new(limits.memory, limits.tables, &plugin.tenant.memory);
        let call = CallMeter::new(&env.clock);
        let kept = KeptMeter::new(&plugin.tenant.host_memory);
        let counts = OwnCounts::new(&plugin.tenant.counts);
        HostState {
            plugin,
            env,
            address: None,
            sockets: Sockets::default(),
            commands: Commands::default(),
            sent: 0,
            subject: None,
            subject_handle: None,
            events: 0,
            voice: None,
            timers: HashSet::new(),
            listeners: HashSet::new(),
            ticks: 0,
            next_tick: 0,
            running: false,
            is_process: false,
            subscriptions: Subscriptions::default(),
            pops: Pops::default(),
            watches: HashSet::new(),
            fills: None,
            jobs: OwnJobs::default(),
            ids: Ids::default(),
            memory,
            kept,
            counts,
            call,
            wasi: None,
            http: None,
        }
    }
}

impl HostState {
    /// What it says, in the running callback.
    pub(super) fn voice(&mut self) -> &Voice {
        let (sockets, handle) = (&self.sockets, self.subject_handle);
        // A timer or a tick in the sandbox of one connection is about that connection.
        let is_single = self.plugin.config.isolation == Isolation::Connection;
        let connection = || {
            let of_event = handle.and_then(|handle| sockets.get(handle)).map(|(_, shared)| shared);
            of_event.or_else(|| if is_single { sockets.only() } else { None })
        };
        let voice = self.voice.get_or_insert_default();
        voice.may_speak(self.events, connection);
        voice
    }

    /// The last that it has said in the running callback, if anything.
    pub fn last_words(&self) -> Option<GuestText> {
        self.voice.as_ref()?.last_words(self.events)
    }
}

impl HostState {
    /// It has added to this sum.
    pub(super) fn fill(&mut self, budget: Option<ByteBudget>) {
        if let Some(budget) = budget
            && !self.fills.as_ref().is_some_and(|known| known.is(&budget))
        {
            self.fills = Some(budget);
        }
    }

    /// Whether it takes long to give back what it holds: memory, and what it has asked for in other parts of the host.
    pub fn is_heavy(&self) -> bool {
        const MEMORY: usize = 4 << 20;
        const ASKED_FOR: usize = 64;
        let asked_for = self.subscriptions.len() + self.pops.len() + self.jobs.len();
        MEMORY < self.memory.bytes() || ASKED_FOR < asked_for
    }

    /// Whether what it adds to is nearly full; if so, whoever makes room calls `waker`.
    pub fn awaits_room(&self, waker: &Waker) -> bool {
        self.fills.as_ref().is_some_and(|fills| fills.awaits_room(waker))
    }

    /// Whether what it adds to is nearly full.
    pub fn is_downstream_full(&self) -> bool {
        self.fills.as_ref().is_some_and(ByteBudget::is_nearly_full)
    }

    /// Its address, for what only makes sense on a reactor that runs.
    pub(super) fn address_while_running(&self) -> Result<&Address, ErrorCode> {
        self.address.as_ref().filter(|_| self.running).ok_or(ErrorCode::Denied)
    }
}

impl HostState {
    /// Reserves bytes in the tenant's account, before the host keeps them.
    ///
    /// # Errors
    /// When its tenant has no room for them.
    pub(super) fn keep(&mut self, bytes: u64) -> Result<(), ErrorCode> {
        if self.kept.grow(bytes) {
            return Ok(());
        }
        self.settle();
        if self.kept.grow(bytes) { Ok(()) } else { Err(self.no_host_memory()) }
    }

    /// Counts one more of these for the tenant and reserves its bytes, before the host keeps it.
    ///
    /// # Errors
    /// When its tenant has as many as it may have, or no room for the bytes.
    pub(super) fn keep_one(&mut self, counted: KeptKind, bytes: u64) -> Result<(), ErrorCode> {
        if self.counts.grow(counted) && self.kept.grow(bytes) {
            return Ok(());
        }
        // It may have been counted and found no room for its bytes: both begin again with what is there.
        self.settle();
        if !self.counts.grow(counted) {
            return Err(self.at_limit(counted.bound()));
        }
        if self.kept.grow(bytes) {
            return Ok(());
        }
        self.settle();
        Err(self.no_host_memory())
    }

    /// The error for a guest whose tenant's account is full.
    pub(super) fn no_host_memory(&self) -> ErrorCode {
        self.at_limit(&limits::HOST_MEMORY)
    }

    /// Counts what the host keeps for it now, after a call. A call that follows has no more handles of WASI than its
    /// tenant has room for.
    pub fn settle(&mut self) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let handles = self.wasi.as_mut().map_or(0, |wasi| wasi.handles());
        self.counts.timers.shrink_to(self.timers.len());
        self.counts.ticks.shrink_to(self.ticks as usize);
        self.counts.subscriptions.shrink_to(self.subscriptions.len());
        self.counts.pops.shrink_to(self.pops.len());
        self.counts.handles.set(handles);
        self.kept.set(
            count(self.timers.len()) * TIMER_BYTES
                + u64::from(self.ticks) * TICK_BYTES
                + self.subscriptions.bytes()
                + self.pops.bytes()
                + count(self.jobs.len()) * JOB_BYTES
                + count(self.sockets.len() + handles) * HANDLE_BYTES,
        );
        if let Some(wasi) = &mut self.wasi {
            let max = self.plugin.config.limits.handles;
            wasi.allow_handles(HandlesAllowed::beside(handles, max, &self.counts, &self.kept));
        }
    }
}

/// Environment of an instance: its reactor's clock and stop flag, and what the host shares.
#[derive(Debug, Clone)]
pub struct Env {
    /// The reactor's clock.
    pub clock: Clock,
    /// Set when the reactor has begun to stop; the same for all its instances.
    pub stopping: Arc<AtomicBool>,
    /// Set when nothing more is begun there.
    pub ending: Arc<AtomicBool>,
    /// What all share.
    pub host: Arc<HostShared>,
}

/// Numbers for what an instance asks for.
#[derive(Debug, Default)]
pub(super) struct Ids(u32);

impl Ids {
    /// The next number that is not taken; less is taken at once than there are numbers.
    pub(super) fn next(&mut self, is_taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            self.0 = self.0.wrapping_add(1);
            if !is_taken(self.0) {
                return self.0;
            }
        }
    }
}

// The vocabulary has no functions.
impl types::Host for HostState {}
