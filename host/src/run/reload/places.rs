//! The indices of plugins and tenants of a new configuration: those that stay keep theirs, new ones get free ones.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::config::model::Config;
use crate::engine::template::{Templates, Versions};
use crate::plugin::Plugin;
use crate::plugin::roster::Roster;
use crate::plugin::tenant::Tenant;

/// The roster indices of the plugins and tenants of a configuration, by their index in it.
pub(super) struct NewPlaces {
    plugins: Vec<usize>,
    tenants: Vec<Arc<Tenant>>,
    /// The number of plugin slots.
    plugins_max: usize,
    /// By roster index, including removed ones.
    all_tenants: Vec<Arc<Tenant>>,
}

impl NewPlaces {
    /// Assigns the indices. An index is free when no version of its former plugin is left.
    pub(super) fn find(
        config: &Config,
        served: &Templates,
        versions: &Versions,
        roster: &Roster,
        cluster: Option<&Cluster>,
    ) -> NewPlaces {
        let earlier = versions.earlier(served);
        let mut all_tenants = roster.all_tenants().to_vec();
        let is_wanted = |tenant: &Tenant| config.tenants.iter().any(|it| it.name == tenant.name);
        let mut free_tenants: Vec<usize> = all_tenants
            .iter()
            .filter(|tenant| {
                let is_of = |plugin: &Arc<Plugin>| Arc::ptr_eq(&plugin.tenant, tenant);
                !is_wanted(tenant) && !roster.plugins().any(is_of) && !earlier.iter().any(is_of)
            })
            .map(|tenant| tenant.index)
            .collect();
        let mut tenants = Vec::new();
        for section in &config.tenants {
            let known = all_tenants.iter().find(|tenant| tenant.name == section.name).cloned();
            let tenant = known.unwrap_or_else(|| {
                let place = free_tenants.pop().unwrap_or(all_tenants.len());
                let tenant = Arc::new(Tenant::new(place, section, cluster));
                match all_tenants.get_mut(place) {
                    Some(free) => *free = tenant.clone(),
                    None => all_tenants.push(tenant.clone()),
                }
                tenant
            });
            tenants.push(tenant);
        }
        let is_named = |place: usize, name: &str| {
            served.get(place).is_some_and(|template| template.plugin.name() == name)
        };
        let is_free = |place: &usize| {
            served.get(*place).is_none() && !earlier.iter().any(|plugin| plugin.index == *place)
        };
        let mut free: Vec<usize> = (0..served.places()).filter(is_free).rev().collect();
        let mut plugins_max = served.places();
        let mut plugins = Vec::new();
        for section in &config.plugins {
            let known = (0..served.places()).find(|place| is_named(*place, &section.name));
            let place = known.or_else(|| free.pop()).unwrap_or_else(|| {
                plugins_max += 1;
                plugins_max - 1
            });
            plugins.push(place);
        }
        NewPlaces { plugins, tenants, plugins_max, all_tenants }
    }

    /// The roster index of the plugin with this index.
    pub(super) fn plugin(&self, index: usize) -> usize {
        self.plugins[index]
    }

    /// The tenant with this index.
    pub(super) fn tenant(&self, index: usize) -> &Arc<Tenant> {
        &self.tenants[index]
    }

    pub(super) fn plugins_max(&self) -> usize {
        self.plugins_max
    }

    pub(super) fn all_tenants(&self) -> Vec<Arc<Tenant>> {
        self.all_tenants.clone()
    }
}
