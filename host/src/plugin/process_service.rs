//! Processes of the cluster on this host: which plugins can have them, and the admission of each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::clock::Clock;
use crate::config::limits;
use crate::contract::export::Export;
use crate::mail::cluster_process::ExitNotice;
use crate::mail::mailboxes::{ForeignBirth, Process, Processes};
use crate::mail::message::Message;
use crate::mail::post::Post;
use crate::mail::process_service::{ProcessService, WantedProcess};
use crate::plugin::Plugin;
use crate::plugin::readiness::Readiness;
use crate::plugin::shared::HostShared;
use crate::quota::host_memory::{Admission, PROCESS_BYTES};

/// The call's name in the contract.
const SPAWN: &str = "cluster-processes.spawn";

/// Creates processes of the cluster on the reactors of a host in turns.
#[derive(Debug)]
pub(crate) struct ProcessPlaces {
    host: Weak<HostShared>,
    table: Arc<Processes>,
    posts: Vec<Post>,
    clock: Clock,
    turn: AtomicUsize,
}

impl ProcessPlaces {
    /// The places of a host with these reactors.
    pub(crate) fn new(host: &Arc<HostShared>, posts: &[Post], clock: &Clock) -> ProcessPlaces {
        ProcessPlaces {
            host: Arc::downgrade(host),
            table: host.processes.clone(),
            posts: posts.to_vec(),
            clock: clock.for_reactor(),
            turn: AtomicUsize::new(0),
        }
    }

    /// A plugin that gets processes now.
    fn open(&self, tenant: &str, name: &str) -> Option<Arc<Plugin>> {
        let host = self.host.upgrade()?;
        let plugin = host.plugin(name).filter(|plugin| plugin.config.tenant == tenant)?;
        (host.readiness.get() == Readiness::Serving && is_open(&plugin)).then_some(plugin)
    }

    fn next_post(&self) -> Option<Post> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.posts.get(turn.checked_rem(self.posts.len())?).cloned()
    }
}

/// Whether a plugin has processes, and gets new instances.
fn is_open(plugin: &Plugin) -> bool {
    plugin.exports.has(Export::Spawned) && !plugin.counters.is_held_back()
}

fn free_places(plugin: &Plugin) -> u32 {
    let places = &plugin.usage.processes;
    places.limit().saturating_sub(places.acquired())
}

impl ProcessService for ProcessPlaces {
    fn free(&self, tenant: &str) -> Vec<(String, u32)> {
        let Some(host) = self.host.upgrade() else { return Vec::new() };
        if host.readiness.get() != Readiness::Serving {
            return Vec::new();
        }
        let roster = host.roster();
        let of_tenant = roster.plugins().filter(|it| it.config.tenant == tenant && is_open(it));
        of_tenant.map(|plugin| (plugin.name().to_owned(), free_places(plugin))).collect()
    }

    fn free_of(&self, tenant: &str, plugin: &str) -> Option<u32> {
        self.open(tenant, plugin).map(|plugin| free_places(&plugin))
    }

    fn admit(
        &self,
        tenant: &str,
        wanted: WantedProcess<'_>,
        notice: ExitNotice,
    ) -> Option<Box<ForeignBirth>> {
        let WantedProcess { parent, plugin: name, name: class, argument } = wanted;
        let plugin = self.open(tenant, name)?;
        let now = self.clock.now();
        // The file of this host decides, too: a message of another one is no grant.
        let host = self.host.upgrade()?;
        let of_parent = host.plugin(parent).filter(|it| it.config.tenant == tenant)?;
        if parent != name && !of_parent.config.allow.may_spawn(name) {
            tracing::warn!(
                tenant,
                plugin = name,
                parent,
                call = SPAWN,
                "another host asks for a process that allow.spawn does not list"
            );
            return None;
        }
        let places = &plugin.usage.processes;
        let Some(permit) = places.try_acquire() else {
            plugin.at_limit_of(now, (&limits::PROCESSES).into(), || places.limit(), || None);
            return None;
        };
        let tenant = &plugin.tenant;
        let Some(admission) = Admission::of(permit, &tenant.host_memory, PROCESS_BYTES) else {
            plugin.at_limit(now, &limits::HOST_MEMORY, || None);
            return None;
        };
        let Ok(argument) = Message::named(&class, argument, &tenant.messages, None) else {
            plugin.at_limit(now, &limits::MESSAGES, || None);
            return None;
        };
        let post = self.next_post()?;
        let (mail, bytes_max) = (tenant.mail(), plugin.config.limits.mailbox);
        let process =
            Process::new(&self.table, &mail, tenant.index, post.clone(), bytes_max, admission);
        let (plugin, tenant) = (plugin.index, tenant.index);
        Some(Box::new(ForeignBirth {
            process,
            plugin,
            tenant,
            name: class,
            argument,
            notice,
            post,
        }))
    }

    fn processes(&self) -> Arc<Processes> {
        self.table.clone()
    }
}
