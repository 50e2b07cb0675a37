//! A plugin: a component that was compiled, linked and checked, with its section of `plugins.toml`.

pub mod contract;
pub mod denial;
pub mod engine;
pub mod evidence;
mod footprint;
pub mod inspect;
mod load;
pub mod sandbox;
pub mod task;
pub mod ticker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use wasmtime::component::InstancePre;

pub use self::contract::Exports;
use self::evidence::Evidence;
pub use self::load::{Fault, LoadError, Loader};
use crate::bucket::Bucket;
use crate::config::PluginConfig;
use crate::host_api::bindings::MinimalIndices;
use crate::host_api::{Folders, HostState};
use crate::tenant::Tenant;

/// A plugin that is ready to have instances.
pub struct Plugin {
    /// Its section.
    pub config: PluginConfig,
    /// Its place in the configuration.
    pub index: usize,
    /// Whose it is.
    pub tenant: Arc<Tenant>,
    /// Which of the optional exports it has.
    pub exports: Exports,
    /// What the log calls the handler of a listener that names none: the plugin's only one, where it says.
    pub default_handler: OnceLock<String>,
    /// What it uses at this moment, over all its instances and reactors.
    pub usage: Usage,
    /// The folders that its instances see.
    pub folders: Folders,
    /// Which build of the component this is: the beginning of its SHA-256.
    pub version: String,
    /// Connections that it may still accept in this second; none where that has no bound.
    pub accepts: Option<Bucket>,
    /// What it did that its operator should know.
    pub evidence: Evidence,
    /// Slices that one callback may have: `cpu_per_event` over `slice`.
    pub slices_per_event: u32,
    /// The configuration file, for messages that name the line to add.
    file: PathBuf,
    pre: InstancePre<HostState>,
    indices: MinimalIndices,
}

/// What a plugin uses at this moment.
#[derive(Debug, Default)]
pub struct Usage {
    /// Accepted connections.
    pub accepted: Count,
    /// Names that are being looked up.
    pub lookups: Count,
    /// Outgoing connections, from the call of `connect` on.
    pub outgoing: Count,
    /// Deferred jobs that have not ended.
    pub deferred: Count,
    /// Processes.
    pub processes: Count,
}

/// A number that stays within a limit. Clones are the same number, on whichever reactor.
#[derive(Debug, Default, Clone)]
pub struct Count(Arc<AtomicU32>);

/// One that was taken of a [`Count`], given back when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU32>);

impl Count {
    /// Takes one, if fewer than `limit` are taken.
    pub fn take(&self, limit: u32) -> Option<Permit> {
        let one_more = |count: u32| (count < limit).then_some(count + 1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok().map(|_| Permit(self.0.clone()))
    }

    /// How many are taken.
    pub fn taken(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether fewer than `limit` are taken.
    pub fn is_below(&self, limit: u32) -> bool {
        self.taken() < limit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Plugin {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.config.name
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_stays_within_its_limit() {
        let count = Count::default();
        let (first, second) = (count.take(2), count.take(2));
        assert!(first.is_some() && second.is_some());
        assert!(count.take(2).is_none() && !count.is_below(2));
        drop(first);
        assert!(count.take(2).is_some());
    }
}
