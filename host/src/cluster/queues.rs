//! The queues that one tenant shares with all hosts: JetStream keeps the items on the NATS servers; this host has those whose
//! handlers run here.
//!
//! Pushed items wait in the tenant's outbox until they are stored (`store`). Items are requested for each queue with waiting
//! pops on this host (`demand`). An item is claimed first (`claims`), so that no two handlers have it at once, and kept until
//! its handler has ended (`item`).

mod census;
mod claims;
mod demand;
mod desk;
mod item;
pub(super) mod jetstream;
mod store;
pub(super) mod streams;
mod work;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::interval;

use crate::clock::monotonic;
use crate::cluster::counters::QueueCounters;
use crate::cluster::line::Line;
use crate::cluster::link::{LinkAccounts, LinkSite};
use crate::cluster::queues::census::Census;
use crate::cluster::queues::desk::Desk;
use crate::cluster::queues::jetstream::JetStream;
use crate::cluster::queues::streams::QueueStreams;
use crate::cluster::queues::work::{PushedItem, QueueWork};
use crate::config::cluster::ClusterConfig;
use crate::config::model::TenantConfig;
use crate::mail::message::Message;
use crate::mail::queue_relay::QueueRelay;
use crate::mail::queues::Queues;
use crate::mail::relay::NoRelay;
use crate::quota::budget::{ByteBudget, Reservation};

/// The interval at which the end of the host checks whether everything is stored.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// How often streams are looked at while JetStream has a fault.
const REPAIR_EVERY: Duration = Duration::from_secs(5);

/// The shared queues of one tenant, for the other parts of the host.
#[derive(Debug)]
pub struct QueueLink {
    /// Their counters.
    pub counters: Arc<QueueCounters>,
    /// Their connection.
    pub line: Arc<Line>,
    outbox: ByteBudget,
    work: Arc<QueueWork>,
    census: Arc<Census>,
    /// Set when the queues that it serves are known.
    begun: OnceLock<()>,
    runtime: Handle,
    streams: QueueStreams,
    origin: String,
    tenant: String,
}

impl QueueLink {
    /// The queues of a tenant on a connection.
    pub(super) fn new(
        site: LinkSite,
        config: &ClusterConfig,
        tenant: &TenantConfig,
        accounts: LinkAccounts,
        line: Arc<Line>,
    ) -> Arc<QueueLink> {
        Arc::new(QueueLink {
            counters: Arc::default(),
            line,
            outbox: accounts.outbox,
            work: Arc::default(),
            census: Arc::default(),
            begun: OnceLock::new(),
            runtime: site.runtime,
            streams: QueueStreams::new(config, &tenant.name),
            origin: format!("{}.{}", site.host, site.number),
            tenant: tenant.name.clone(),
        })
    }

    /// The work that the end of the host waits for, even if the tenant is gone before.
    pub(super) fn ending(&self) -> QueueEnding {
        QueueEnding {
            tenant: self.tenant.clone(),
            counters: self.counters.clone(),
            work: self.work.clone(),
            line: self.line.clone(),
        }
    }
}

/// The remaining work for the queues of a tenant.
#[derive(Debug)]
pub(super) struct QueueEnding {
    tenant: String,
    counters: Arc<QueueCounters>,
    work: Arc<QueueWork>,
    line: Arc<Line>,
}

impl QueueEnding {
    /// Whether the tenant is gone and no work is left for it.
    pub(super) fn is_over(&self) -> bool {
        self.work.is_over() && !self.has_unstored() && !self.has_items()
    }

    /// Requests no more items, and waits until pushed items are stored and items with a handler are acknowledged or given back.
    pub(super) async fn finish(&self) {
        self.work.end();
        // Items without an acknowledgement are delivered to other hosts, but items that are not stored exist only here.
        while self.has_unstored() || self.has_items() && self.line.is_connected() {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// Logs the number of pushed items that are lost because they were never stored.
    pub(super) fn tell_lost(&self) {
        let lost = self.counters.unstored.load(Ordering::Relaxed);
        if lost != 0 {
            tracing::error!(tenant = self.tenant, lost, "items were pushed and never stored");
        }
    }

    fn has_unstored(&self) -> bool {
        self.counters.unstored.load(Ordering::Relaxed) != 0
    }

    fn has_items(&self) -> bool {
        self.counters.in_hand.load(Ordering::Relaxed) != 0
    }
}

impl QueueRelay for QueueLink {
    fn attach(&self, queues: Weak<Queues>) {
        self.begun.get_or_init(|| {
            let (line, work) = (self.line.clone(), self.work.clone());
            let (counters, census) = (self.counters.clone(), self.census.clone());
            let (origin, streams) = (self.origin.clone(), self.streams.clone());
            let tenant = self.tenant.clone();
            self.runtime.spawn(async move {
                let Some(client) = line.client().await else { return };
                drop(line);
                let (jet, numbers) = (JetStream::new(client), AtomicU64::new(0));
                let desk = Desk { queues, counters, origin, streams, tenant, jet, numbers };
                serve(Arc::new(desk), work, census).await;
            });
        });
    }

    fn room(&self, length: usize) -> Result<Reservation, NoRelay> {
        let counters = &self.counters;
        self.line.room(&self.outbox, length, &counters.too_large, &counters.refused)
    }

    fn push(&self, name: &str, item: Message, room: Reservation) {
        self.counters.unstored.fetch_add(1, Ordering::Relaxed);
        let pushed = PushedItem::new(self.streams.item_subject(name), item, room);
        self.work.push(pushed);
    }

    fn wait(&self, name: &str, pops: usize) {
        self.work.wait(name, pops);
    }

    fn size(&self, name: &str) -> usize {
        self.census.ask(name, monotonic()).size
    }

    fn waiting_elsewhere(&self, name: &str) -> usize {
        self.census.ask(name, monotonic()).waiting
    }
}

impl Drop for QueueLink {
    fn drop(&mut self) {
        self.work.end();
    }
}

/// Makes the streams of the tenant, and works with them until it is gone.
async fn serve(desk: Arc<Desk>, work: Arc<QueueWork>, census: Arc<Census>) {
    streams::make(&desk.streams, &desk.jet, &desk.tenant, &work).await;
    let counting = tokio::spawn(census::keep(desk.clone(), census));
    let repairing = tokio::spawn(repair(desk.clone()));
    tokio::join!(store::keep(&desk, &work), demand::follow(&desk, &work));
    counting.abort();
    repairing.abort();
}

/// Makes streams again that were deleted, or lost with their servers, for as long as JetStream has a fault.
async fn repair(desk: Arc<Desk>) {
    let mut ticks = interval(REPAIR_EVERY);
    loop {
        ticks.tick().await;
        if desk.counters.has_fault.load(Ordering::Relaxed) {
            // A stream without a leader cannot be made either: the next tick tries again.
            let _ = streams::make_all(&desk.streams, &desk.jet).await;
        }
    }
}
