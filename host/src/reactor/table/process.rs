//! Processes: instances without a connection.

use crate::base::arena::InstanceId;
use crate::contract::outcome::ExitReason;
use crate::mail::mailboxes::Process;
use crate::mail::message::Message;

/// A process that is wished for.
#[derive(Debug)]
pub struct Birth {
    /// Its id and its mailbox.
    pub process: Process,
    /// Who wants it.
    pub parent: InstanceId,
    /// The plugin that it is an instance of.
    pub plugin: usize,
    /// What it is to be.
    pub name: String,
    /// What it is given.
    pub argument: Message,
}

/// What makes an instance a process.
#[derive(Debug)]
pub struct Role {
    /// Its id and its mailbox.
    pub process: Process,
    pub parent: InstanceId,
    /// What its parent is told when it ends.
    pub reason: ExitReason,
}
