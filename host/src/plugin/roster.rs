//! What a host serves. A plugin keeps its place through reloads, and so does a tenant: whatever names one by its number means
//! the same one afterwards.

use std::sync::Arc;

use crate::plugin::Plugin;
use crate::plugin::tenant::Tenant;

/// The plugins and tenants of a host at one moment.
#[derive(Debug, Default, Clone)]
pub struct Roster {
    /// By place; a plugin that has gone leaves its place empty until another one takes it.
    plugins: Vec<Option<Arc<Plugin>>>,
    /// By place; one that has gone stays until another one takes its place.
    tenants: Vec<Arc<Tenant>>,
}

impl Roster {
    /// These plugins, each at its place, and with them their tenants. `before` are tenants that may still have instances.
    pub fn new(plugins: Vec<Option<Arc<Plugin>>>, before: &[Arc<Tenant>]) -> Roster {
        let mut tenants = before.to_vec();
        // A tenant comes with the first of its plugins, and its place is behind those that came earlier or one of theirs.
        let mut of_plugins: Vec<&Arc<Tenant>> =
            plugins.iter().flatten().map(|plugin| &plugin.tenant).collect();
        of_plugins.sort_by_key(|tenant| tenant.index);
        for tenant in of_plugins {
            match tenants.get_mut(tenant.index) {
                Some(place) => *place = tenant.clone(),
                None => tenants.push(tenant.clone()),
            }
        }
        Roster { plugins, tenants }
    }

    /// The plugin at a place.
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

    /// How many places for plugins there are.
    pub fn places(&self) -> usize {
        self.plugins.len()
    }

    /// Every tenant, by its place: also those that have gone.
    pub fn all_tenants(&self) -> &[Arc<Tenant>] {
        &self.tenants
    }

    /// Every tenant that has a plugin.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants
            .iter()
            .filter(|tenant| self.plugins().any(|plugin| Arc::ptr_eq(&plugin.tenant, tenant)))
    }

    /// The tenant with this name, if it has a plugin.
    pub fn tenant_named(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.plugins().map(|plugin| &plugin.tenant).find(|tenant| tenant.name == name)
    }
}
