//! The connection to other hosts: plugins of a tenant share channels over NATS, which many operators run already.
//!
//! One thread does all the work. The loops pass messages to it and never wait; messages without room are refused.

mod candidate;
pub(crate) mod counters;
pub(crate) mod hosts;
mod incoming;
mod interest;
mod lease;
pub(crate) mod line;
pub(crate) mod link;
mod outgoing;
mod pack;
mod presence;
pub(crate) mod processes;
pub(crate) mod queues;
mod sealed;
mod sequence;
pub(crate) mod singleton;
pub(crate) mod subject;
pub(crate) mod trial;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::base::lock::Mutex;
use crate::base::thread::Threads;
use crate::clock::Clock;
use crate::cluster::candidate::CandidateSite;
use crate::cluster::hosts::{HostId, Hosts};
use crate::cluster::line::Line;
use crate::cluster::link::{Link, LinkAccounts, LinkSite};
use crate::cluster::processes::{ProcessLink, ProcessServiceCell};
use crate::cluster::queues::{QueueEnding, QueueLink};
use crate::cluster::singleton::Singletons;
use crate::config::cluster::{ClusterConfig, NatsLogin};
use crate::config::model::TenantConfig;
use crate::mail::process_service::ProcessService;

/// How long the end of the host waits until the last messages are sent.
const LONGEST_FAREWELL: Duration = Duration::from_millis(500);
/// The time in which the end of the host waits for the items that were pushed last to be stored.
const LONGEST_STORING: Duration = Duration::from_secs(5);
/// The time in which the thread ends.
const LONGEST_END: Duration = Duration::from_secs(6);

/// The cluster as this host sees it, shared by all threads.
#[derive(Debug)]
pub struct Cluster {
    /// The section `[cluster]`.
    pub config: ClusterConfig,
    /// The id of this host.
    pub id: HostId,
    /// The other hosts.
    pub hosts: Hosts,
    clock: Clock,
    runtime: Handle,
    /// The connection of the host, and of every tenant without one of its own.
    shared: Arc<Line>,
    /// All connections.
    lines: Mutex<Vec<Weak<Line>>>,
    /// What the end of the host waits for, of the tenants whose queues are in the cluster.
    queues: Mutex<Vec<Arc<QueueEnding>>>,
    /// The number of the next link: a tenant that is removed and added by reloads gets another one.
    links: AtomicUsize,
    /// The programs that run on one host at a time.
    pub singletons: Arc<Singletons>,
    /// The part that creates processes of the cluster here.
    service: ProcessServiceCell,
    /// The tenants that have processes in the cluster.
    processes: Mutex<Vec<Weak<ProcessLink>>>,
}

/// What goes over the cluster of one tenant.
#[derive(Debug, Default)]
pub(crate) struct TenantLinks {
    /// Its channels, where they reach other hosts.
    pub(crate) channels: Option<Arc<Link>>,
    /// Its queues, where they are those of other hosts too.
    pub(crate) queues: Option<Arc<QueueLink>>,
    /// Its processes, where they may be on other hosts.
    pub(crate) processes: Option<Arc<ProcessLink>>,
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct ClusterThread {
    cluster: Arc<Cluster>,
    threads: Option<Threads>,
    stop: Option<oneshot::Sender<()>>,
}

impl ClusterThread {
    /// Starts the thread, which begins to connect. `clock` is that of the reactors.
    ///
    /// # Errors
    /// When the system has no more threads or descriptors.
    pub(crate) fn start(config: &ClusterConfig, clock: &Clock) -> io::Result<ClusterThread> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let id = HostId::draw(&config.name)?;
        let shared = Line::new(config, &config.login, None);
        let site = CandidateSite {
            host: id.clone(),
            line: shared.clone(),
            clock: clock.for_reactor(),
            runtime: runtime.handle().clone(),
            prefix: config.prefix.clone(),
            lease: config.limits.lease,
        };
        let cluster = Arc::new(Cluster {
            config: config.clone(),
            id,
            hosts: Hosts::new(clock.for_reactor()),
            clock: clock.for_reactor(),
            runtime: runtime.handle().clone(),
            lines: Mutex::new(vec![Arc::downgrade(&shared)]),
            shared,
            queues: Mutex::default(),
            links: AtomicUsize::new(0),
            singletons: Singletons::new(site),
            service: ProcessServiceCell::default(),
            processes: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let mut threads = Threads::new();
        let of_thread = cluster.clone();
        threads.spawn("cluster".to_owned(), move || {
            runtime.block_on(async {
                of_thread.shared.begin();
                let shared = of_thread.shared.clone();
                tokio::spawn(presence::keep(of_thread.clone(), shared));
                // A dropped sender ends it, too.
                let _ = stopped.await;
                of_thread.say_farewell().await;
            });
            // Messages that the server does not take are abandoned.
            runtime.shutdown_background();
        })?;
        Ok(ClusterThread { cluster, threads: Some(threads), stop: Some(stop) })
    }

    /// The shared part.
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        self.cluster.clone()
    }
}

impl Drop for ClusterThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.threads.take().is_none_or(|threads| threads.join_within(LONGEST_END));
        if !ended {
            tracing::warn!("the thread for the cluster is still busy: left");
        }
    }
}

impl Cluster {
    /// The links of a tenant's channels and queues, with these budgets; none if they are not shared.
    pub(crate) fn links(&self, tenant: &TenantConfig, accounts: LinkAccounts) -> TenantLinks {
        let sharing = &tenant.sharing;
        if !sharing.channels && !sharing.queues && !sharing.processes {
            return TenantLinks::default();
        }
        let line = match &sharing.login {
            None => self.shared.clone(),
            Some(login) => self.own_line(login, &tenant.name),
        };
        let site = || LinkSite {
            number: self.links.fetch_add(1, Ordering::Relaxed),
            host: self.id.clone(),
            prefix: self.config.prefix.clone(),
            runtime: self.runtime.clone(),
        };
        let channels =
            sharing.channels.then(|| Link::new(site(), tenant, accounts.clone(), line.clone()));
        let queues = sharing.queues.then(|| {
            let (accounts, line) = (accounts.clone(), line.clone());
            let queues = QueueLink::new(site(), &self.config, tenant, accounts, line);
            let mut all = self.queues.lock();
            all.retain(|known| !known.is_over());
            all.push(Arc::new(queues.ending()));
            drop(all);
            queues
        });
        let processes = sharing.processes.then(|| {
            let with = (self.service.clone(), self.clock.for_reactor(), self.config.limits.ping);
            let processes = ProcessLink::new(site(), tenant, accounts, line, with);
            remember(&mut self.processes.lock(), &processes);
            processes
        });
        TenantLinks { channels, queues, processes }
    }

    /// Processes of the cluster are created here from now on.
    pub fn serve_processes(&self, service: Arc<dyn ProcessService>) {
        // There is one for each host.
        let _ = self.service.set(service);
        all(&self.processes.lock()).iter().for_each(|link| link.announce());
    }

    /// Every connection, the host's own first.
    pub fn lines(&self) -> Vec<Arc<Line>> {
        all(&self.lines.lock())
    }

    fn own_line(&self, login: &NatsLogin, tenant: &str) -> Arc<Line> {
        let line = Line::new(&self.config, login, Some(tenant));
        let begun = line.clone();
        self.runtime.spawn(async move { begun.begin() });
        remember(&mut self.lines.lock(), &line);
        line
    }

    /// Sends the last messages, and takes no more.
    async fn say_farewell(&self) {
        let lines = self.lines();
        let queues: Vec<_> = self.queues.lock().clone();
        let all_stored = async {
            for queues in &queues {
                queues.finish().await;
            }
        };
        if tokio::time::timeout(LONGEST_STORING, all_stored).await.is_err() {
            queues.iter().for_each(|queues| queues.tell_lost());
        }
        let the_rest = async {
            presence::leave(self, &self.shared).await;
            self.singletons.give_back().await;
            let processes = all(&self.processes.lock());
            processes.iter().for_each(|link| link.leave());
            for line in &lines {
                line.finish().await;
            }
        };
        if tokio::time::timeout(LONGEST_FAREWELL, the_rest).await.is_err() {
            tracing::warn!("what was pushed last has not reached NATS: left");
        }
    }
}

/// Adds one to a list, and removes those that are gone.
fn remember<T>(list: &mut Vec<Weak<T>>, one: &Arc<T>) {
    list.retain(|known| known.strong_count() != 0);
    list.push(Arc::downgrade(one));
}

/// Those of a list that exist.
fn all<T>(list: &[Weak<T>]) -> Vec<Arc<T>> {
    list.iter().filter_map(Weak::upgrade).collect()
}
