//! A plugin: a compiled, linked and checked component, with its section of `plugins.toml`.

pub(crate) mod counters;
pub(crate) mod denial;
pub(crate) mod file_calls;
pub(crate) mod folders;
pub(crate) mod granted;
pub(crate) mod handover;
pub(crate) mod incidents;
pub(crate) mod jobs;
pub(crate) mod lines;
pub(crate) mod loop_holds;
pub(crate) mod missing;
pub(crate) mod process_service;
pub(crate) mod readiness;
pub(crate) mod reloads;
pub(crate) mod report;
pub(crate) mod roster;
pub(crate) mod service;
pub(crate) mod shared;
pub(crate) mod stats;
pub(crate) mod subject;
pub(crate) mod tenant;
pub(crate) mod tls;

use std::sync::{Arc, OnceLock};

use crate::config::bound::Bound;
use crate::config::limits::{self, Limits};
use crate::config::model::PluginConfig;
use crate::contract::export::Exports;
use crate::log::text::GuestText;
use crate::plugin::counters::Counters;
use crate::plugin::folders::Folders;
use crate::plugin::granted::GrantedFolders;
use crate::plugin::tenant::Tenant;
use crate::plugin::tls::Profiles;
use crate::quota::semaphore::Semaphore;
use crate::quota::token_bucket::TokenBucket;

/// A plugin of which instances can be made.
pub struct Plugin {
    /// Its section.
    pub config: PluginConfig,
    /// Its index in the roster, which stays the same through reloads.
    pub index: usize,
    /// The number of the reload that has loaded it; 0 is the start.
    pub generation: u32,
    pub tenant: Arc<Tenant>,
    /// The optional exports that it has.
    pub exports: Exports,
    /// Whether it serves HTTP by `wasi:http`, so that the host reads its connections.
    pub serves_http: bool,
    /// The handler's name in the log for listeners that name none: that of the catalog's only handler, if it has one.
    pub default_handler: OnceLock<GuestText>,
    /// What it uses now, over all its instances and reactors.
    pub usage: Arc<Usage>,
    /// The initial linear memory of an instance, in bytes.
    pub least_memory: u64,
    /// The granted folders, for WASI.
    pub folders: Folders,
    /// The granted folders, for files that the host opens itself.
    pub granted: GrantedFolders,
    /// The TLS profiles for connections on which it begins TLS itself.
    pub profiles: Profiles,
    /// Identifies the build of the component: the first digits of its SHA-256.
    pub version: String,
    /// The rate of accepted connections; none if it is not bounded.
    pub accepts: Option<TokenBucket>,
    pub counters: Arc<Counters>,
}

/// What a plugin uses now, with its limits. All versions of a plugin share it.
#[derive(Debug)]
pub struct Usage {
    /// Accepted connections.
    pub accepted: Semaphore,
    /// Name look-ups in progress.
    pub lookups: Semaphore,
    /// Outgoing connections, from the call of `connect`.
    pub outgoing: Semaphore,
    /// Listeners and UDP sockets that it has opened.
    pub listeners: Semaphore,
    /// Unfinished deferred jobs.
    pub deferred: Semaphore,
    pub processes: Semaphore,
    /// Processes on other hosts that its instances have spawned.
    pub far_processes: Semaphore,
    /// Watched files.
    pub watches: Semaphore,
}

impl Usage {
    /// Nothing used, with these limits.
    pub fn new(limits: &Limits) -> Usage {
        Usage {
            accepted: Semaphore::new(limits.connections),
            lookups: Semaphore::new(limits.lookups),
            outgoing: Semaphore::new(limits.outgoing),
            listeners: Semaphore::new(limits.listeners),
            deferred: Semaphore::new(limits.deferred),
            processes: Semaphore::new(limits.processes),
            far_processes: Semaphore::new(limits.processes),
            watches: Semaphore::new(limits.watches),
        }
    }

    /// Changes the limits. Whatever is used beyond a lower limit is kept until it is released.
    pub fn set_limits(&self, limits: &Limits) {
        self.accepted.set_limit(limits.connections);
        self.lookups.set_limit(limits.lookups);
        self.outgoing.set_limit(limits.outgoing);
        self.listeners.set_limit(limits.listeners);
        self.deferred.set_limit(limits.deferred);
        self.processes.set_limit(limits.processes);
        self.far_processes.set_limit(limits.processes);
        self.watches.set_limit(limits.watches);
    }

    /// Every bound with its current use and its limit.
    pub fn all(&self) -> [(&'static Bound, u32, u32); 7] {
        [
            (&limits::CONNECTIONS, &self.accepted),
            (&limits::LOOKUPS, &self.lookups),
            (&limits::OUTGOING, &self.outgoing),
            (&limits::LISTENERS, &self.listeners),
            (&limits::DEFERRED, &self.deferred),
            (&limits::PROCESSES, &self.processes),
            (&limits::WATCHES, &self.watches),
        ]
        .map(|(bound, used)| (bound, used.acquired(), used.limit()))
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
