//! The roster: the plugins and tenants that a host serves. A plugin and a tenant keep their index through reloads, so that
//! an index stays valid.

use std::sync::Arc;

use crate::plugin::Plugin;
use crate::plugin::tenant::Tenant;

/// A snapshot of the plugins and tenants of a host.
#[derive(Debug, Default, Clone)]
pub struct Roster {
    /// By index; a removed plugin leaves its slot empty until another plugin gets it.
    plugins: Vec<Option<Arc<Plugin>>>,
    /// By index; a removed tenant stays until another one gets its slot.
    tenants: Vec<Arc<Tenant>>,
    /// The indices of tenants that have a plugin, in order.
    served: Vec<usize>,
}

impl Roster {
    /// A roster of these plugins by index, with their tenants. `before` are tenants that may still have instances.
    pub fn new(plugins: Vec<Option<Arc<Plugin>>>, before: &[Arc<Tenant>]) -> Roster {
        let mut tenants = before.to_vec();
        // A tenant appears with the first of its plugins, and its index is at most the number of tenants before it.
        let mut of_plugins: Vec<&Arc<Tenant>> =
            plugins.iter().flatten().map(|plugin| &plugin.tenant).collect();
        of_plugins.sort_by_key(|tenant| tenant.index);
        for &tenant in &of_plugins {
            match tenants.get_mut(tenant.index) {
                Some(place) => *place = tenant.clone(),
                None => tenants.push(tenant.clone()),
            }
        }
        let mut served: Vec<usize> = of_plugins.iter().map(|tenant| tenant.index).collect();
        served.dedup();
        Roster { plugins, tenants, served }
    }

    /// The plugin with an index.
    pub fn plugin(&self, place: usize) -> Option<&Arc<Plugin>> {
        self.plugins.get(place)?.as_ref()
    }

    /// Every plugin that is served.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.iter().flatten()
    }

    /// The plugin with this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins().find(|plugin| plugin.name() == name)
    }

    /// The number of plugin slots.
    pub fn places(&self) -> usize {
        self.plugins.len()
    }

    /// Every tenant by index, including removed ones.
    pub fn all_tenants(&self) -> &[Arc<Tenant>] {
        &self.tenants
    }

    /// Every tenant that has a plugin.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.served.iter().filter_map(|index| self.tenants.get(*index))
    }

    /// The tenant with this name, if it has a plugin.
    pub fn tenant_named(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.plugins().map(|plugin| &plugin.tenant).find(|tenant| tenant.name == name)
    }
}
