//! A tenant while the host runs: what its plugins share, on whichever reactor their instances are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::limits::TenantLimits;
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
    pub limits: TenantLimits,
    /// CPU time of all its instances; none where it has no bound.
    pub cpu: Option<TokenBucket>,
    /// Bytes that its connections read; none where that has no bound.
    pub reading: Option<TokenBucket>,
    /// Bytes that its connections write; none where that has no bound.
    pub writing: Option<Arc<TokenBucket>>,
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
}

impl TenantCounts {
    fn new(limits: &TenantLimits) -> TenantCounts {
        TenantCounts {
            timers: Semaphore::new(limits.timers),
            ticks: Semaphore::new(limits.ticks),
            subscriptions: Semaphore::new(limits.subscriptions),
            pops: Semaphore::new(limits.pops),
            deferred: Semaphore::new(limits.deferred),
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
            limits: config.limits.clone(),
            outboxes: ByteBudget::new(config.limits.outboxes),
            cpu: config.limits.cpu_per_second.map(per_second),
            reading: config.limits.read_per_second.map(TokenBucket::new),
            writing: config.limits.write_per_second.map(TokenBucket::new).map(Arc::new),
            log: LogShare::new(&config.name, config.limits.log_per_second),
            counts: TenantCounts::new(&config.limits),
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
    /// Whether its connections are not read for now, because of what they have brought or of what it has used.
    pub fn must_not_read(&self, clock: &Clock) -> bool {
        self.must_wait(clock)
            || self.reading.as_ref().is_some_and(|bytes| bytes.is_empty(clock.now()))
    }

    /// What the mailboxes of its processes need of it.
    pub fn mail(&self) -> TenantMail {
        TenantMail { index: self.index, messages: self.messages.clone() }
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
        self.cpu.as_ref().is_some_and(|cpu| cpu.is_empty(clock.now()))
    }
}

/// A token bucket of CPU time.
fn per_second(time: Duration) -> TokenBucket {
    TokenBucket::new(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
