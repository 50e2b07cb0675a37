//! The admission of processes of the cluster to this host, as the thread of the cluster knows it.

use std::fmt;
use std::sync::Arc;

use crate::mail::cluster_process::ExitNotice;
use crate::mail::mailboxes::{ForeignBirth, Processes};

/// A process that a parent anywhere wants on this host.
#[derive(Debug)]
pub struct WantedProcess<'a> {
    /// The plugin of its parent.
    pub parent: &'a str,
    /// Its plugin.
    pub plugin: &'a str,
    /// The name by which the plugin knows what to run.
    pub name: String,
    /// Its argument.
    pub argument: Vec<u8>,
}

/// Whoever admits processes of the cluster to this host.
pub trait ProcessService: fmt::Debug + Send + Sync {
    /// The plugins of a tenant that can have processes here, each with its free places.
    fn free(&self, tenant: &str) -> Vec<(String, u32)>;

    /// The free places of one plugin; none if it cannot have processes here.
    fn free_of(&self, tenant: &str, plugin: &str) -> Option<u32>;

    /// Admits a process: all its reservations are made, and it has a mailbox. None if it may not be here, or finds no room;
    /// the cause is logged.
    fn admit(
        &self,
        tenant: &str,
        wanted: WantedProcess<'_>,
        notice: ExitNotice,
    ) -> Option<Box<ForeignBirth>>;

    /// The processes of this host.
    fn processes(&self) -> Arc<Processes>;
}
