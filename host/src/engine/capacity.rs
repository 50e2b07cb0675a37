//! The resources that the maximum number of sandboxes of a host needs, and whether the system has them. Checked before the
//! host serves: a process without free mappings fails anywhere, not only where it needs another one.
//!
//! The worst mixture that the quota allows is counted: the sandboxes reserved for a tenant, and the common ones, go to the
//! tenants whose components need most, as far as `[tenants.<name>.limits] instances` allows. So a tenant with a large
//! component is bounded by that key, and takes nothing from the others.

use std::path::Path;

use crate::config::error::{ConfigError, Problem};
use crate::config::model::{Config, PluginConfig};
use crate::engine::footprint::Footprint;
use crate::quota::halves::Halves;

/// The mappings of one memory, counted with wasmtime 48: the part before its image, the image, the part behind it, its
/// guard. A memory without data has half of them. A sandbox has no other mappings: a call runs on the caller's stack, and
/// all tables are in one mapping.
const MAPS_PER_MEMORY: u64 = 4;
/// The mappings of everything else: libraries, threads, compiled components, the heap. About a hundred were counted.
const MAPS_KEPT: u64 = 2048;
/// The file with Linux's limit of mappings per process.
const MAPS_MAX: &str = "/proc/sys/vm/max_map_count";

/// The sandboxes of a host, with the needs of each.
pub(super) struct Capacity<'a> {
    config: &'a Config,
    footprints: &'a [Footprint],
}

/// A limited resource of the system.
struct Resource {
    /// What a sandbox of each plugin needs.
    of_plugin: Vec<u64>,
    /// The amount available.
    max: u64,
    /// The name of the resource.
    name: &'static str,
    /// The source of the limit, written after the number needed.
    says: &'static str,
    /// How to raise the limit, written before the number needed.
    more: Option<&'static str>,
}

impl Capacity<'_> {
    /// The needs of the plugins of `config`, in their order.
    pub(super) fn new<'a>(config: &'a Config, footprints: &'a [Footprint]) -> Capacity<'a> {
        Capacity { config, footprints }
    }

    /// The maximum number of sandboxes; each worker may keep one besides those of the reactors.
    pub(super) fn sandboxes(&self) -> u64 {
        u64::from(self.config.host.limits.instances)
            .saturating_add(self.config.host.limits.workers as u64)
    }

    /// The number of memory slots.
    pub(super) fn memories(&self) -> u64 {
        self.of_all(&self.each(|footprint| footprint.memories.into()))
    }

    /// The number of table slots.
    pub(super) fn tables(&self) -> u64 {
        self.of_all(&self.each(|footprint| footprint.tables.into()))
    }

    /// Checks the sandboxes against the limit of mappings per process.
    ///
    /// # Errors
    /// When they do not fit.
    pub(super) fn check_mappings(&self) -> Result<(), ConfigError> {
        // Other systems have other limits.
        let Some(max) = read_number(Path::new(MAPS_MAX)) else { return Ok(()) };
        self.check(&self.mappings(max))
    }

    fn mappings(&self, max: u64) -> Resource {
        let of = |footprint: &Footprint| MAPS_PER_MEMORY * u64::from(footprint.memories);
        Resource {
            of_plugin: self.each(of),
            max: max.saturating_sub(MAPS_KEPT),
            name: "memory mappings",
            says: "and this system allows a process",
            more: Some("sysctl -w vm.max_map_count="),
        }
    }

    /// Checks that the components of one tenant do not cost the others their slots without bounds checks, of which there are
    /// `max`.
    ///
    /// # Errors
    /// When they do.
    pub(super) fn check_slots(&self, max: u64) -> Result<(), ConfigError> {
        if self.config.tenants.len() < 2 || max < self.sandboxes() {
            return Ok(());
        }
        self.check(&Resource {
            of_plugin: self.each(|footprint| footprint.memories.into()),
            max,
            name: "linear memories",
            says: "and the address space that spares all plugins bounds checks is enough for",
            more: None,
        })
    }

    fn each(&self, of: impl Fn(&Footprint) -> u64) -> Vec<u64> {
        self.footprints.iter().map(of).collect()
    }

    fn of_all(&self, of_plugin: &[u64]) -> u64 {
        self.worst(of_plugin, self.config.host.limits.instances, None)
    }

    /// The needs of the worst mixture of `instances` sandboxes, optionally with another bound for one tenant.
    fn worst(&self, of_plugin: &[u64], instances: u32, other: Option<(usize, u32)>) -> u64 {
        let tenants = &self.config.tenants;
        let Halves { reserved, mut common } = Halves::of(instances, tenants.len());
        let mut costs: Vec<(u64, u32)> = (0..tenants.len())
            .map(|tenant| {
                let bound = other.filter(|(of, _)| *of == tenant).map(|(_, bound)| bound);
                let bound = bound.or(tenants[tenant].limits.instances).unwrap_or(u32::MAX);
                (self.of_tenant(of_plugin, tenant), bound)
            })
            .collect();
        costs.sort_unstable_by(|a, b| b.cmp(a));
        let dearest = costs.first().map_or(0, |(cost, _)| *cost);
        let mut sum = dearest.saturating_mul(self.config.host.limits.workers as u64);
        for (cost, bound) in costs {
            let own = bound.min(reserved);
            let more = (bound - own).min(common);
            common -= more;
            sum = sum.saturating_add(cost.saturating_mul(u64::from(own) + u64::from(more)));
        }
        sum
    }

    /// The needs of the tenant's plugin that needs most.
    fn of_tenant(&self, of_plugin: &[u64], tenant: usize) -> u64 {
        let own = self.config.plugins.iter().zip(of_plugin);
        own.filter(|(plugin, _)| plugin.tenant_index == tenant)
            .map(|(_, of)| *of)
            .max()
            .unwrap_or(0)
    }

    fn check(&self, resource: &Resource) -> Result<(), ConfigError> {
        let needed = self.of_all(&resource.of_plugin);
        if needed <= resource.max {
            return Ok(());
        }
        let costs = self.config.plugins.iter().zip(self.footprints).zip(&resource.of_plugin);
        let Some(((plugin, footprint), of_one)) = costs.max_by_key(|(_, of)| **of) else {
            return Ok(());
        };
        let instances = self.config.host.limits.instances;
        // The reserved mappings are included in the number needed and in the limit.
        let kept = if resource.more.is_some() { MAPS_KEPT } else { 0 };
        let (needed, max) = (needed.saturating_add(kept), resource.max + kept);
        let Resource { name, says, .. } = resource;
        let cause = format!(
            "{instances} sandboxes need {needed} {name}, {says} {max}; each of plugin {:?} takes {of_one}, as its \
             component has {} memories",
            plugin.name, footprint.memories
        );
        let mut remedies = Vec::new();
        let fits = |instances| self.worst(&resource.of_plugin, instances, None) <= resource.max;
        remedies
            .extend(most(instances, fits).map(|most| format!("instances = {most} under [host]")));
        if 1 < self.config.tenants.len() {
            let tenant = plugin.tenant_index;
            let fits = |bound| {
                self.worst(&resource.of_plugin, instances, Some((tenant, bound))) <= resource.max
            };
            remedies.extend(most(instances, fits).map(|most| {
                format!("instances = {most} under [tenants.{}.limits]", plugin.tenant)
            }));
        }
        let mut remedy = match &*remedies {
            [] => "make the component of fewer parts".to_owned(),
            _ => format!("write {} or less", remedies.join(" or ")),
        };
        if let Some(more) = resource.more {
            remedy.push_str(&format!(", or allow more with {more}{needed}"));
        }
        Err(self.wrong(Some(plugin), Problem::new(cause, remedy)))
    }

    /// An error at `[host] instances` if it is set, otherwise at the plugin that needs most.
    fn wrong(&self, plugin: Option<&PluginConfig>, problem: Problem) -> ConfigError {
        let host = "host.instances";
        let (file, line, key) = match (self.config.origins.find(host), plugin) {
            (None, Some(plugin)) => {
                (&plugin.file, plugin.line, format!("plugins.{}.component", plugin.name))
            }
            (Some(origin), _) => (&origin.file, origin.line, host.to_owned()),
            (None, None) => (&self.config.file, 1, host.to_owned()),
        };
        ConfigError::Invalid { file: file.clone(), line, key, problem }
    }

    /// The error for address space that the system has refused.
    pub(super) fn refused(&self, cause: &str, possible: Option<u32>) -> ConfigError {
        let instances = self.config.host.limits.instances;
        let remedy = match possible {
            Some(possible) => format!("write instances = {possible} or less under [host]"),
            None => "lower instances under [host]".to_owned(),
        };
        let problem = Problem::new(
            format!(
                "instances = {instances} under [host] needs address space that the system refuses: {cause}"
            ),
            format!(
                "{remedy}, or allow the process more (ulimit -v, ulimit -d, vm.overcommit_memory)"
            ),
        );
        self.wrong(self.config.plugins.first(), problem)
    }
}

/// The largest number from 1 to `max` that fits, by binary search.
fn most(max: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut low, mut high) = (0, max);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    (0 < low).then_some(low)
}

fn read_number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
