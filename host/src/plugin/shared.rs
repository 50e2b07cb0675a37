//! What all reactors and workers of a host share.

use std::sync::{Arc, Weak};

use crate::config::address::ListenAddress;
use crate::log;
use crate::mail::mailboxes::Processes;
use crate::net::outbound::own_listeners::OwnListeners;
use crate::plugin::Plugin;
use crate::plugin::file_calls::FileCalls;
use crate::plugin::jobs::Jobs;
use crate::plugin::tenant::Tenant;
use crate::quota::descriptors::DescriptorQuota;

/// The one of a host.
#[derive(Debug, Default)]
pub struct HostShared {
    /// Every plugin, by index.
    pub plugins: Vec<Arc<Plugin>>,
    /// Every tenant, by index.
    pub tenants: Vec<Arc<Tenant>>,
    /// Every process.
    pub processes: Arc<Processes>,
    /// Calls into file systems, for the threads that make them.
    pub file_calls: FileCalls,
    /// Work for the workers.
    pub jobs: Arc<Jobs>,
    /// File descriptors of connections and of files.
    pub descriptors: DescriptorQuota,
    /// Where this host listens.
    pub own_listeners: OwnListeners,
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
    /// A host of these plugins, whose guests may have `descriptors` file descriptors together.
    pub fn new(plugins: Vec<Arc<Plugin>>, descriptors: u32) -> Arc<HostShared> {
        let mut tenants: Vec<Arc<Tenant>> = Vec::new();
        for plugin in &plugins {
            // In the order of their indices: a tenant is known by the first plugin that names it.
            if plugin.tenant.index == tenants.len() {
                tenants.push(plugin.tenant.clone());
            }
        }
        let descriptors = DescriptorQuota::new(descriptors, tenants.len());
        Arc::new(HostShared { plugins, tenants, descriptors, ..HostShared::default() })
    }

    /// Tells the operator every counter that is not zero.
    pub fn log_counters(&self) {
        self.plugins.iter().for_each(|plugin| plugin.log_counters());
        self.tenants.iter().for_each(|tenant| tenant.tell_counters());
        log::tell_left_out();
    }

    /// The plugin with this name.
    pub fn plugin(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.iter().find(|plugin| plugin.name() == name)
    }
}
