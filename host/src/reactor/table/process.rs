//! Processes: instances without a connection.

use crate::base::arena::InstanceId;
use crate::contract::outcome::{ClusterExit, ExitReason};
use crate::mail::cluster_process::{ClusterPid, ExitNotice};
use crate::mail::mailboxes::Process;
use crate::mail::message::Message;

/// A process to create.
#[derive(Debug)]
pub(crate) struct SpawnRequest {
    /// Its id and its mailbox.
    pub process: Process,
    /// The instance that has spawned it.
    pub parent: InstanceId,
    /// The index of its plugin.
    pub plugin: usize,
    /// The name by which the plugin chooses what to run.
    pub name: String,
    pub argument: Message,
}

/// The process that an instance is.
#[derive(Debug)]
pub(crate) struct Role {
    /// Its id and its mailbox.
    pub process: Process,
    pub parent: Parent,
    /// The exit reason for its parent.
    pub reason: ExitReason,
}

/// Who has spawned a process.
#[derive(Debug)]
pub(crate) enum Parent {
    /// An instance of this reactor.
    Here(InstanceId),
    /// An instance of any reactor on any host of the cluster, which is told by this.
    InCluster(ExitNotice),
}

impl Role {
    /// It has an instance: if that goes without a word, its host has stopped.
    pub(crate) fn is_born(&mut self) {
        if let Parent::InCluster(notice) = &mut self.parent {
            notice.set(ClusterExit::HostLost);
        }
    }

    /// Its id in the cluster, if it was spawned there.
    pub(crate) fn cluster_pid(&self) -> Option<ClusterPid> {
        match &self.parent {
            Parent::Here(_) => None,
            Parent::InCluster(notice) => Some(notice.pid),
        }
    }
}
