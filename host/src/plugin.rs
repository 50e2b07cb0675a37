//! A plugin: a component that was compiled, linked and checked, with its section of `plugins.toml`.

pub(crate) mod counters;
pub(crate) mod denial;
pub(crate) mod file_calls;
pub(crate) mod folders;
pub(crate) mod granted;
pub(crate) mod incidents;
pub(crate) mod jobs;
pub(crate) mod lines;
pub(crate) mod loop_holds;
pub(crate) mod missing;
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

/// A plugin that is ready to have instances.
pub struct Plugin {
    /// Its section.
    pub config: PluginConfig,
    /// Its place, which it keeps through reloads.
    pub index: usize,
    /// The number of the reload that it came with; 0 is the start.
    pub generation: u32,
    /// Whose it is.
    pub tenant: Arc<Tenant>,
    /// Which of the optional exports it has.
    pub exports: Exports,
    /// It serves HTTP by `wasi:http`: the host has its connections.
    pub serves_http: bool,
    /// What the log calls the handler of a listener that names none: the plugin's only one, where it says.
    pub default_handler: OnceLock<GuestText>,
    /// What it uses at this moment, over all its instances and reactors.
    pub usage: Arc<Usage>,
    /// Bytes of linear memory that each of its instances begins with.
    pub least_memory: u64,
    /// The folders that its instances see.
    pub folders: Folders,
    /// The same for what the host does with their files itself.
    pub granted: GrantedFolders,
    /// What its own connections may begin TLS with.
    pub profiles: Profiles,
    /// Which build of the component this is: the beginning of its SHA-256.
    pub version: String,
    /// Connections that it may still accept in this second; none where that has no bound.
    pub accepts: Option<TokenBucket>,
    /// What it did that its operator should know.
    pub counters: Arc<Counters>,
}

/// What a plugin uses at this moment, each within its limit. All versions of a plugin share one.
#[derive(Debug)]
pub struct Usage {
    /// Accepted connections.
    pub accepted: Semaphore,
    /// Names that are being looked up.
    pub lookups: Semaphore,
    /// Outgoing connections, from the call of `connect` on.
    pub outgoing: Semaphore,
    /// Listeners and datagram sockets of its own.
    pub listeners: Semaphore,
    /// Deferred jobs that have not ended.
    pub deferred: Semaphore,
    /// Processes.
    pub processes: Semaphore,
    /// Files that are watched.
    pub watches: Semaphore,
}

impl Usage {
    /// Nothing yet, and never more than these limits.
    pub fn new(limits: &Limits) -> Usage {
        Usage {
            accepted: Semaphore::new(limits.connections),
            lookups: Semaphore::new(limits.lookups),
            outgoing: Semaphore::new(limits.outgoing),
            listeners: Semaphore::new(limits.listeners),
            deferred: Semaphore::new(limits.deferred),
            processes: Semaphore::new(limits.processes),
            watches: Semaphore::new(limits.watches),
        }
    }

    /// Never more than these from now on. Who has something beyond that keeps it until he gives it back.
    pub fn set_limits(&self, limits: &Limits) {
        self.accepted.set_limit(limits.connections);
        self.lookups.set_limit(limits.lookups);
        self.outgoing.set_limit(limits.outgoing);
        self.listeners.set_limit(limits.listeners);
        self.deferred.set_limit(limits.deferred);
        self.processes.set_limit(limits.processes);
        self.watches.set_limit(limits.watches);
    }

    /// Each bound with what is used of it and what it is set to.
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
