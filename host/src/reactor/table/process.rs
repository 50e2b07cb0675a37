//! Processes: instances without a connection.

use crate::base::arena::InstanceId;
use crate::contract::outcome::ExitReason;
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
    pub parent: InstanceId,
    /// The exit reason for its parent.
    pub reason: ExitReason,
}
