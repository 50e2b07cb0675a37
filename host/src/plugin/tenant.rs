//! A tenant while the host runs: what its plugins share, on whichever reactor their instances are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::clock::Clock;
use crate::config::bound::Bound;
use crate::config::limits::{self, TenantLimits};
use crate::config::model::TenantConfig;
use crate::log::share::LogShare;
use crate::mail::channels::Channels;
use crate::mail::mailboxes::TenantMail;
use crate::mail::message::TenantBudgets;
use crate::mail::queues::Queues;
use crate::plugin::loop_holds::LoopHolds;
use crate::quota::budget::ByteBudget;
use crate::quota::semaphore::Semaphore;
use crate::quota::token_bucket::TokenBucket;

/// What the plugins of one tenant share, and nobody else.
#[derive(Debug)]
pub struct Tenant {
    /// Its place in the configuration.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What it may use.
    limits: RwLock<TenantLimits>,
    /// CPU time of all its instances.
    pub cpu: TokenBucket,
    /// Bytes that its connections read.
    pub reading: TokenBucket,
    /// Bytes that its connections write.
    pub writing: Arc<TokenBucket>,
    /// Its part of the log.
    pub log: Arc<LogShare>,
    /// Bytes in the outboxes of all its connections.
    pub outboxes: ByteBudget,
    /// Linear memory of all its instances.
    pub memory: ByteBudget,
    /// What the host keeps for it besides messages and outboxes.
    pub host_memory: ByteBudget,
    /// Things that its instances have asked for and that have not come to their end.
    pub counts: TenantCounts,
    /// Instances of its plugins that ended in a trap.
    pub strikes: AtomicU64,
    /// Calls of its instances that have outlived their first slice.
    pub slow_calls: Semaphore,
    /// How long its handlers have held the loops.
    pub holds: LoopHolds,
    /// Everything that waits for its instances.
    pub messages: ByteBudget,
    /// Its channels.
    pub channels: Channels,
    /// Its queues.
    pub queues: Arc<Queues>,
}

/// How many of each thing all instances of a tenant may have asked for at once.
#[derive(Debug)]
pub struct TenantCounts {
    /// Timers that are set.
    pub timers: Semaphore,
    /// Ticks that wait.
    pub ticks: Semaphore,
    /// Subscriptions.
    pub subscriptions: Semaphore,
    /// Pops that wait.
    pub pops: Semaphore,
    /// Jobs that have not ended.
    pub deferred: Semaphore,
    /// Channels and queues.
    pub channels: Semaphore,
    /// Handles on things of WASI.
    pub handles: Semaphore,
}

impl TenantCounts {
    fn new(limits: &TenantLimits, channels: Semaphore) -> TenantCounts {
        TenantCounts {
            channels,
            timers: Semaphore::new(limits.timers),
            ticks: Semaphore::new(limits.ticks),
            subscriptions: Semaphore::new(limits.subscriptions),
            pops: Semaphore::new(limits.pops),
            deferred: Semaphore::new(limits.deferred),
            handles: Semaphore::new(limits.handles),
        }
    }
}

impl Tenant {
    /// A tenant that has nothing yet.
    pub fn new(index: usize, config: &TenantConfig) -> Tenant {
        let messages = ByteBudget::new(config.limits.messages);
        // Channels and queues are counted together.
        let names = Semaphore::new(config.limits.channels);
        let host_memory = ByteBudget::new(config.limits.host_memory);
        let waiting =
            TenantBudgets { messages: messages.clone(), host_memory: host_memory.clone() };
        let queues = Queues::new(names.clone(), config.limits.queue, waiting.clone());
        Tenant {
            index,
            name: config.name.clone(),
            limits: RwLock::new(config.limits.clone()),
            outboxes: ByteBudget::new(config.limits.outboxes),
            cpu: TokenBucket::maybe(config.limits.cpu_per_second.map(per_second)),
            reading: TokenBucket::maybe(config.limits.read_per_second),
            writing: Arc::new(TokenBucket::maybe(config.limits.write_per_second)),
            log: LogShare::new(&config.name, config.limits.log_per_second),
            counts: TenantCounts::new(&config.limits, names.clone()),
            strikes: AtomicU64::new(0),
            slow_calls: Semaphore::new(config.limits.slow_calls),
            holds: LoopHolds::default(),
            memory: ByteBudget::new(config.limits.memory),
            channels: Channels::new(index, names, config.limits.channel, waiting),
            queues: Arc::new(queues),
            host_memory,
            messages,
        }
    }
}

impl Tenant {
    /// What it may use.
    pub fn limits(&self) -> TenantLimits {
        self.limits.read().clone()
    }

    /// What one of its bounds is set to, if that is its own.
    pub fn show(&self, bound: &'static Bound) -> Option<String> {
        self.limits.read().show(bound)
    }

    /// It may use this much from now on. What it has beyond that it keeps until it gives it back.
    pub fn set_limits(&self, limits: &TenantLimits) {
        let TenantLimits {
            memory,
            host_memory,
            outboxes,
            messages,
            channel,
            channels,
            queue,
            timers,
            ticks,
            subscriptions,
            pops,
            deferred,
            handles,
            slow_calls,
            cpu_per_second,
            read_per_second,
            write_per_second,
            log_per_second,
            // The quota of the host has it.
            instances: _,
        } = limits;
        self.memory.set_max(*memory);
        self.host_memory.set_max(*host_memory);
        self.outboxes.set_max(*outboxes);
        self.messages.set_max(*messages);
        self.channels.set_limits(*channels, *channel);
        self.queues.set_limit(*queue);
        self.counts.timers.set_limit(*timers);
        self.counts.ticks.set_limit(*ticks);
        self.counts.subscriptions.set_limit(*subscriptions);
        self.counts.pops.set_limit(*pops);
        self.counts.deferred.set_limit(*deferred);
        self.counts.handles.set_limit(*handles);
        self.slow_calls.set_limit(*slow_calls);
        self.cpu.set(cpu_per_second.map(per_second));
        self.reading.set(*read_per_second);
        self.writing.set(*write_per_second);
        self.log.set_rate(*log_per_second);
        *self.limits.write() = limits.clone();
    }

    /// Whether its connections are not read for now, because of what they have brought or of what it has used.
    pub fn must_not_read(&self, clock: &Clock) -> bool {
        self.must_wait(clock) || self.reading.is_bounded() && self.reading.is_empty(clock.now())
    }

    /// What the mailboxes of its processes need of it.
    pub fn mail(&self) -> TenantMail {
        TenantMail { index: self.index, messages: self.messages.clone() }
    }

    /// Each bound of bytes with what is used of it and what it is set to.
    pub fn bytes(&self) -> [(&'static Bound, u64, u64); 4] {
        [
            (&limits::TENANT_MEMORY, &self.memory),
            (&limits::HOST_MEMORY, &self.host_memory),
            (&limits::MESSAGES, &self.messages),
            (&limits::OUTBOXES, &self.outboxes),
        ]
        .map(|(bound, used)| (bound, used.held(), used.max()))
    }

    /// Each bound of a number with what is used of it and what it is set to.
    pub fn all_counts(&self) -> [(&'static Bound, u32, u32); 8] {
        let counts = &self.counts;
        [
            (&limits::SLOW_CALLS, &self.slow_calls),
            (&limits::TENANT_TIMERS, &counts.timers),
            (&limits::TENANT_TICKS, &counts.ticks),
            (&limits::TENANT_SUBSCRIPTIONS, &counts.subscriptions),
            (&limits::TENANT_POPS, &counts.pops),
            (&limits::TENANT_DEFERRED, &counts.deferred),
            (&limits::TENANT_HANDLES, &counts.handles),
            (&limits::CHANNELS, &counts.channels),
        ]
        .map(|(bound, used)| (bound, used.acquired(), used.limit()))
    }

    /// Tells the operator what its handlers do with the loops at this moment, and what they have done.
    pub fn log_usage(&self) {
        tracing::info!(
            tenant = self.name,
            memory = self.memory.held(),
            host_memory = self.host_memory.held(),
            messages = self.messages.held(),
            outboxes = self.outboxes.held(),
            slow_calls = self.slow_calls.acquired(),
            hand_ons = self.holds.hand_ons(),
            longest_hold = ?self.holds.longest(),
            "in use"
        );
    }

    /// Tells the operator how many of its instances have ended in a trap and what was left out of its lines, if any.
    pub fn tell_counters(&self) {
        self.log.tell_left_out();
        let count = self.strikes.load(Ordering::Relaxed);
        if 0 < count {
            tracing::info!(tenant = self.name, what = "strikes", count, "counted");
        }
    }

    /// Whether its events have to wait, because it has used its CPU time.
    pub fn must_wait(&self, clock: &Clock) -> bool {
        self.cpu.is_bounded() && self.cpu.is_empty(clock.now())
    }
}

/// CPU time as a token bucket counts it.
fn per_second(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
