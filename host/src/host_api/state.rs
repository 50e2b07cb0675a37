//! The host's side of an instance: what its calls may access.

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
use crate::host_api::guest_output::GuestOutput;
use crate::host_api::handles::Sockets;
use crate::host_api::kept::{HandlesAllowed, KeptKind, KeptMeter, OwnCounts};
use crate::host_api::memory::MemoryMeter;
use crate::host_api::owned::{ClusterChildren, OwnJobs, Pops, Subscriptions};
use crate::host_api::wasi::Wasi;
use crate::host_api::wasi::http::connections::HttpServer;
use crate::log::text::GuestText;
use crate::mail::cluster_process::ClusterPid;
use crate::mail::post::Address;
use crate::plugin::Plugin;
use crate::plugin::shared::HostShared;
use crate::quota::budget::ByteBudget;
use crate::quota::host_memory::{HANDLE_BYTES, JOB_BYTES, TICK_BYTES, TIMER_BYTES};

/// The host's side of a sandbox; it is the data of its store.
pub struct HostState {
    pub plugin: Arc<Plugin>,
    pub env: Env,
    /// Its address for mail; none for an operation and for an instance whose reactor does not run yet.
    pub address: Option<Address>,
    /// Its connections, by the number of the handle.
    pub sockets: Sockets,
    /// The commands of the running callback.
    pub commands: Commands,
    /// Bytes that it has sent in the running callback and the system has accepted.
    pub sent: u64,
    /// The connection that the running callback is about.
    pub subject: Option<ConnectionId>,
    /// The number of that connection's handle.
    pub subject_handle: Option<u32>,
    /// The number of events that were delivered to it.
    pub events: u64,
    /// Whether the reactor will look ahead for its events, so that it is worth noting where its memory is. One for all connections
    /// is made before they come.
    pub is_looked_ahead_for: bool,
    /// Made with the first line that it writes.
    pub(super) output: Option<GuestOutput>,
    /// The ids of timers that are set.
    pub timers: HashSet<u32>,
    /// The ids of listeners that are open.
    pub listeners: HashSet<u32>,
    /// The number of ticks that wait.
    pub ticks: u32,
    pub(super) next_tick: u32,
    /// The answer of `reactor.running`.
    pub running: bool,
    /// Whether it is a process.
    pub is_process: bool,
    /// Its id in the cluster, if it was spawned there.
    pub cluster_pid: Option<ClusterPid>,
    /// The processes that it has in the cluster.
    pub cluster_children: ClusterChildren,
    /// The number of the term in which it runs, if it is of a singleton.
    pub fencing: Option<u64>,
    pub subscriptions: Subscriptions,
    /// Its pops that wait.
    pub pops: Pops,
    /// The ids of watches that have not ended.
    pub watches: HashSet<u32>,
    /// The budget of the downstream that it filled last: while that is nearly full, its connections are not read.
    fills: Option<ByteBudget>,
    /// Its unfinished jobs.
    pub jobs: OwnJobs,
    /// The ids of timers, listeners, jobs, subscriptions and pops.
    pub(super) ids: Ids,
    /// The limits of its memory and tables.
    pub memory: MemoryMeter,
    /// The host memory that is kept for it.
    pub kept: KeptMeter,
    /// Its part of the tenant's counts.
    pub(super) counts: OwnCounts,
    pub call: CallMeter,
    /// Made at the first call of WASI, which most guests never make.
    pub(super) wasi: Option<Box<Wasi>>,
    /// Its connections, if it serves HTTP by `wasi:http`.
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
        let is_looked_ahead_for = plugin.config.isolation == Isolation::Plugin;
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
            is_looked_ahead_for,
            output: None,
            timers: HashSet::new(),
            listeners: HashSet::new(),
            ticks: 0,
            next_tick: 0,
            running: false,
            is_process: false,
            cluster_pid: None,
            cluster_children: ClusterChildren::default(),
            fencing: None,
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
    /// Its output of the running callback.
    pub(super) fn output(&mut self) -> &GuestOutput {
        let (sockets, handle) = (&self.sockets, self.subject_handle);
        // In a sandbox of one connection timers and ticks are about that connection.
        let is_single = self.plugin.config.isolation == Isolation::Connection;
        let connection = || {
            let of_event = handle.and_then(|handle| sockets.get(handle)).map(|(_, shared)| shared);
            of_event.or_else(|| if is_single { sockets.only() } else { None })
        };
        let output = self.output.get_or_insert_default();
        output.begin_event(self.events, connection);
        output
    }

    /// The last lines that it has written in the running callback, if any.
    pub fn last_words(&self) -> Option<GuestText> {
        self.output.as_ref()?.last_words(self.events)
    }
}

impl HostState {
    /// Notes the budget of the downstream that it has filled.
    pub(super) fn fill(&mut self, budget: Option<ByteBudget>) {
        if let Some(budget) = budget
            && !self.fills.as_ref().is_some_and(|known| known.is(&budget))
        {
            self.fills = Some(budget);
        }
    }

    /// Whether releasing its resources may take long: its memory, and what it owns in other parts of the host.
    pub fn is_heavy(&self) -> bool {
        const MEMORY: usize = 4 << 20;
        const ASKED_FOR: usize = 64;
        let asked_for = self.subscriptions.len()
            + self.pops.len()
            + self.jobs.len()
            + self.cluster_children.len();
        MEMORY < self.memory.bytes() || ASKED_FOR < asked_for
    }

    /// Whether its downstream is nearly full; if so, `waker` is called when there is room.
    pub fn awaits_room(&self, waker: &Waker) -> bool {
        self.fills.as_ref().is_some_and(|fills| fills.awaits_room(waker))
    }

    /// Whether its downstream is nearly full.
    pub fn is_downstream_full(&self) -> bool {
        self.fills.as_ref().is_some_and(ByteBudget::is_nearly_full)
    }

    /// Its address, for calls that need a running reactor.
    pub(super) fn address_while_running(&self) -> Result<&Address, ErrorCode> {
        self.address.as_ref().filter(|_| self.running).ok_or(ErrorCode::Denied)
    }
}

impl HostState {
    /// Reserves host memory of the tenant before it is used.
    ///
    /// # Errors
    /// When the tenant has no room for it.
    pub(super) fn keep(&mut self, bytes: u64) -> Result<(), ErrorCode> {
        if self.kept.grow(bytes) {
            return Ok(());
        }
        self.settle();
        if self.kept.grow(bytes) { Ok(()) } else { Err(self.no_host_memory()) }
    }

    /// Counts one more thing of this kind and reserves its host memory.
    ///
    /// # Errors
    /// When the tenant has reached its bound, or has no room for the bytes.
    pub(super) fn keep_one(&mut self, counted: KeptKind, bytes: u64) -> Result<(), ErrorCode> {
        if self.counts.grow(counted) && self.kept.grow(bytes) {
            return Ok(());
        }
        // It may have been counted without finding room for its bytes: both are recomputed.
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

    /// The error for a guest whose tenant has no host memory left.
    pub(super) fn no_host_memory(&self) -> ErrorCode {
        self.at_limit(&limits::HOST_MEMORY)
    }

    /// Recomputes the host memory that is kept for it, after a call, and the most WASI handles that the next call may
    /// have.
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

/// The environment of an instance: its reactor's clock and stop flags, and the shared state of the host.
#[derive(Debug, Clone)]
pub struct Env {
    pub clock: Clock,
    /// Set when the reactor begins to stop.
    pub stopping: Arc<AtomicBool>,
    /// Set when nothing new may begin on the reactor.
    pub ending: Arc<AtomicBool>,
    pub host: Arc<HostShared>,
}

impl Env {
    /// An environment of its own, in which nothing stops yet.
    pub(crate) fn new(clock: &Clock, host: &Arc<HostShared>) -> Env {
        Env {
            clock: clock.for_reactor(),
            stopping: Arc::default(),
            ending: Arc::default(),
            host: host.clone(),
        }
    }
}

/// Assigns ids.
#[derive(Debug, Default)]
pub(super) struct Ids(u32);

impl Ids {
    /// The next id that is not in use. There are more ids than things in use.
    pub(super) fn next(&mut self, is_taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            self.0 = self.0.wrapping_add(1);
            if !is_taken(self.0) {
                return self.0;
            }
        }
    }
}

// The interface has types only.
impl types::Host for HostState {}
