//! What all reactors and workers of a host share.

use std::sync::{Arc, Weak};

use parking_lot::RwLock;

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
use crate::quota::descriptors::DescriptorQuota;

/// The one of a host.
#[derive(Debug, Default)]
pub struct HostShared {
    /// What is served.
    roster: RwLock<Arc<Roster>>,
    /// Every process.
    pub processes: Arc<Processes>,
    /// Calls into file systems, for the threads that make them.
    pub file_calls: FileCalls,
    /// Work for the workers.
    pub jobs: Arc<Jobs>,
    /// What became of reloads.
    pub reloads: Reloads,
    /// File descriptors of connections and of files.
    pub descriptors: DescriptorQuota,
    /// Where this host listens.
    pub own_listeners: OwnListeners,
    /// Where its sockets come from.
    pub network: Network,
    /// What each loop measures of itself; none where nobody watches.
    pub loops: Vec<LoopStats>,
    /// How far the host is between its start and its end.
    pub readiness: ReadinessFlag,
}

/// Something that a plugin has opened, while it is there: others reach it by rules that name exactly that.
#[derive(Debug)]
pub struct OwnPlace {
    host: Weak<HostShared>,
    address: ListenAddress,
}

impl OwnPlace {
    /// It is at this address, bound already.
    pub fn new(host: &Arc<HostShared>, address: ListenAddress) -> OwnPlace {
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
    /// A host that serves these, whose guests may have `descriptors` file descriptors together. `watched_loops` of its loops
    /// are measured.
    pub fn new(
        roster: Roster,
        descriptors: u32,
        watched_loops: usize,
        network: Network,
    ) -> Arc<HostShared> {
        let descriptors = DescriptorQuota::new(descriptors, roster.all_tenants().len());
        let roster = RwLock::new(Arc::new(roster));
        let loops = (0..watched_loops).map(|_| LoopStats::default()).collect();
        Arc::new(HostShared { roster, descriptors, loops, network, ..HostShared::default() })
    }

    /// Tells the operator every counter that is not zero.
    pub fn log_counters(&self) {
        let roster = self.roster();
        roster.plugins().for_each(|plugin| plugin.log_counters());
        roster.tenants().for_each(|tenant| tenant.tell_counters());
        log::tell_left_out();
    }

    /// What is served at this moment.
    pub fn roster(&self) -> Arc<Roster> {
        self.roster.read().clone()
    }

    /// Serves these from now on.
    pub fn serve(&self, roster: Arc<Roster>) {
        *self.roster.write() = roster;
    }

    /// The plugin with this name.
    pub fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.roster.read().named(name).cloned()
    }

    /// The tenant at this place.
    pub fn tenant(&self, place: usize) -> Option<Arc<Tenant>> {
        self.roster.read().all_tenants().get(place).cloned()
    }
}
