//! The run-time state of a tenant, which its plugins share on all reactors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::lock::RwLock;
use crate::clock::Clock;
use crate::cluster::link::{Link, LinkAccounts};
use crate::cluster::processes::ProcessLink;
use crate::cluster::queues::QueueLink;
use crate::cluster::{Cluster, TenantLinks};
use crate::config::bound::Bound;
use crate::config::limits::{self, TenantLimits};
use crate::config::model::TenantConfig;
use crate::log::share::LogShare;
use crate::mail::channels::Channels;
use crate::mail::mailboxes::TenantMail;
use crate::mail::message::TenantBudgets;
use crate::mail::queue_relay::QueueRelay;
use crate::mail::queues::Queues;
use crate::mail::relay::ChannelRelay;
use crate::plugin::loop_holds::LoopHolds;
use crate::quota::budget::ByteBudget;
use crate::quota::semaphore::Semaphore;
use crate::quota::token_bucket::TokenBucket;

/// The state that the plugins of one tenant share.
#[derive(Debug)]
pub struct Tenant {
    /// Its index in the roster.
    pub index: usize,
    pub name: String,
    limits: RwLock<TenantLimits>,
    /// CPU time of all its instances.
    pub cpu: TokenBucket,
    /// Bytes that its connections read per second.
    pub reading: TokenBucket,
    /// Bytes that its connections write per second.
    pub writing: Arc<TokenBucket>,
    /// Its share of the log.
    pub log: Arc<LogShare>,
    /// Bytes in the outboxes of all its connections.
    pub outboxes: ByteBudget,
    /// Linear memory of all its instances.
    pub memory: ByteBudget,
    /// Host memory that is kept for it, besides messages and outboxes.
    pub host_memory: ByteBudget,
    pub counts: TenantCounts,
    /// Traps of its plugins' instances.
    pub strikes: AtomicU64,
    /// Calls of its instances in the slow lane.
    pub slow_calls: Semaphore,
    pub holds: LoopHolds,
    /// Messages that wait for its instances.
    pub messages: ByteBudget,
    pub channels: Arc<Channels>,
    /// What waits to go to other hosts.
    pub cluster_outbox: ByteBudget,
    /// The way from them to other hosts, where they reach them.
    pub link: Option<Arc<Link>>,
    pub queues: Arc<Queues>,
    /// What keeps their items for all hosts, where they share them.
    pub queue_link: Option<Arc<QueueLink>>,
    /// Its processes in the cluster, where it has them.
    pub process_link: Option<Arc<ProcessLink>>,
}

/// The counts of things that all instances of a tenant have in total.
#[derive(Debug)]
pub struct TenantCounts {
    /// Timers that are set.
    pub timers: Semaphore,
    /// Ticks that wait.
    pub ticks: Semaphore,
    pub subscriptions: Semaphore,
    /// Pops that wait.
    pub pops: Semaphore,
    /// Unfinished jobs.
    pub deferred: Semaphore,
    /// Names of channels and queues.
    pub channels: Semaphore,
    /// WASI handles.
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
    /// A tenant that uses nothing yet, of a host in this cluster, if it is in one.
    pub fn new(index: usize, config: &TenantConfig, cluster: Option<&Cluster>) -> Tenant {
        let messages = ByteBudget::new(config.limits.messages);
        // One count for the names of channels and queues.
        let names = Semaphore::new(config.limits.channels);
        let host_memory = ByteBudget::new(config.limits.host_memory);
        let waiting =
            TenantBudgets { messages: messages.clone(), host_memory: host_memory.clone() };
        let cluster_outbox = ByteBudget::new(config.limits.cluster_outbox);
        let accounts = LinkAccounts { outbox: cluster_outbox.clone(), memory: host_memory.clone() };
        let TenantLinks { channels: link, queues: queue_link, processes: process_link } =
            cluster.map(|cluster| cluster.links(config, accounts)).unwrap_or_default();
        let relay = queue_link.clone().map(|link| link as Arc<dyn QueueRelay>);
        let queues = Queues::new(names.clone(), config.limits.queue, waiting.clone(), relay);
        let relay = link.clone().map(|link| link as Arc<dyn ChannelRelay>);
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
            channels: Channels::new(index, names, config.limits.channel, waiting, relay),
            link,
            cluster_outbox,
            queues,
            queue_link,
            process_link,
            host_memory,
            messages,
        }
    }
}

impl Tenant {
    pub fn limits(&self) -> TenantLimits {
        self.limits.read().clone()
    }

    /// The value of a bound, if it is one of a tenant's.
    pub fn show(&self, bound: &'static Bound) -> Option<String> {
        self.limits.read().show(bound)
    }

    /// Changes the limits. Whatever is used beyond a lower limit is kept until it is released.
    pub fn set_limits(&self, limits: &TenantLimits) {
        let TenantLimits {
            memory,
            host_memory,
            outboxes,
            messages,
            cluster_outbox,
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
            // Kept by the host's instance quota.
            instances: _,
        } = limits;
        self.memory.set_max(*memory);
        self.host_memory.set_max(*host_memory);
        self.outboxes.set_max(*outboxes);
        self.messages.set_max(*messages);
        self.channels.set_limits(*channels, *channel);
        self.queues.set_limit(*queue);
        self.cluster_outbox.set_max(*cluster_outbox);
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

    /// Whether its connections are not read now because it has used up its read rate or its CPU time.
    pub fn must_not_read(&self, clock: &Clock) -> bool {
        self.must_wait(clock) || self.reading.is_bounded() && self.reading.is_empty(clock.now())
    }

    /// The part of it that mailboxes need.
    pub fn mail(&self) -> TenantMail {
        TenantMail { index: self.index, messages: self.messages.clone() }
    }

    /// Every bound of bytes with its current use and its limit.
    pub fn bytes(&self) -> [(&'static Bound, u64, u64); 5] {
        [
            (&limits::TENANT_MEMORY, &self.memory),
            (&limits::HOST_MEMORY, &self.host_memory),
            (&limits::MESSAGES, &self.messages),
            (&limits::OUTBOXES, &self.outboxes),
            (&limits::CLUSTER_OUTBOX, &self.cluster_outbox),
        ]
        .map(|(bound, used)| (bound, used.held(), used.max()))
    }

    /// Every bound of a count with its current use and its limit.
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

    /// Logs how its handlers use the loops.
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

    /// Logs the number of its traps and of its dropped log lines, if any.
    pub fn tell_counters(&self) {
        self.log.tell_left_out();
        let count = self.strikes.load(Ordering::Relaxed);
        if 0 < count {
            tracing::info!(tenant = self.name, what = "strikes", count, "counted");
        }
    }

    /// Whether its events have to wait because it has used up its CPU time.
    pub fn must_wait(&self, clock: &Clock) -> bool {
        self.cpu.is_bounded() && self.cpu.is_empty(clock.now())
    }
}

/// CPU time in the unit of the token bucket.
fn per_second(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
