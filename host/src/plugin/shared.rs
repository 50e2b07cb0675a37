//! The state that all reactors and workers of a host share.

use std::sync::{Arc, Weak};

use crate::base::lock::RwLock;

use crate::cluster::Cluster;
use crate::config::address::ListenAddress;
use crate::log;
use crate::mail::mailboxes::Processes;
use crate::net::network::Network;
use crate::net::outbound::own_listeners::OwnListeners;
use crate::plugin::Plugin;
use crate::plugin::file_calls::FileCalls;
use crate::plugin::jobs::Jobs;
use crate::plugin::readiness::ReadinessFlag;
use crate::plugin::reloads::Reloads;
use crate::plugin::roster::Roster;
use crate::plugin::stats::LoopStats;
use crate::plugin::tenant::Tenant;
use crate::quota::halves::HalvedQuota;

/// The shared state of a host.
#[derive(Debug, Default)]
pub struct HostShared {
    roster: RwLock<Arc<Roster>>,
    pub processes: Arc<Processes>,
    /// The queue of the file threads.
    pub file_calls: FileCalls,
    /// The queue of the workers.
    pub jobs: Arc<Jobs>,
    pub reloads: Reloads,
    /// File descriptors of guests' connections and files.
    pub descriptors: HalvedQuota,
    pub own_listeners: OwnListeners,
    pub network: Network,
    /// Measurements of each loop; empty if there is no `[admin]` section.
    pub loops: Vec<LoopStats>,
    pub readiness: ReadinessFlag,
    /// What it is one host of, if it is.
    pub cluster: Option<Arc<Cluster>>,
}

/// The entry of a plugin's own listener among the host's listeners, while it is open: other plugins need a rule that
/// names exactly its address.
#[derive(Debug)]
pub(crate) struct OwnPlace {
    host: Weak<HostShared>,
    address: ListenAddress,
}

impl OwnPlace {
    /// Adds an address that is bound.
    pub(crate) fn new(host: &Arc<HostShared>, address: ListenAddress) -> OwnPlace {
        host.own_listeners.add(&address);
        OwnPlace { host: Arc::downgrade(host), address }
    }
}

impl Drop for OwnPlace {
    fn drop(&mut self) {
        if let Some(host) = self.host.upgrade() {
            host.own_listeners.remove(&self.address);
        }
    }
}

impl HostShared {
    /// The state of a host with this roster, whose guests may have `descriptors` file descriptors in total, and of which
    /// `watched_loops` loops are measured; with its cluster, if it is in one.
    pub fn new(
        roster: Roster,
        descriptors: u32,
        watched_loops: usize,
        network: Network,
        cluster: Option<Arc<Cluster>>,
    ) -> Arc<HostShared> {
        let descriptors = HalvedQuota::new(descriptors, roster.all_tenants().len());
        let roster = RwLock::new(Arc::new(roster));
        let loops = (0..watched_loops).map(|_| LoopStats::default()).collect();
        let shared =
            HostShared { roster, descriptors, loops, network, cluster, ..HostShared::default() };
        Arc::new(shared)
    }

    /// Logs every counter that is not zero.
    pub fn log_counters(&self) {
        let roster = self.roster();
        roster.plugins().for_each(|plugin| plugin.log_counters());
        roster.tenants().for_each(|tenant| tenant.tell_counters());
        log::tell_left_out();
    }

    /// The current roster.
    pub fn roster(&self) -> Arc<Roster> {
        self.roster.read().clone()
    }

    /// Replaces the roster.
    pub fn serve(&self, roster: Arc<Roster>) {
        *self.roster.write() = roster;
    }

    /// The plugin with this name.
    pub fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.roster.read().named(name).cloned()
    }

    /// The tenant with this index.
    pub fn tenant(&self, place: usize) -> Option<Arc<Tenant>> {
        self.roster.read().all_tenants().get(place).cloned()
    }
}
