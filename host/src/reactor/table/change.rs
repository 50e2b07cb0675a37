//! The change that a reload brings to a reactor.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::engine::sandbox::Sandbox;
use crate::engine::template::Templates;
use crate::mail::post::Bell;
use crate::net::listener::{Endpoint, Listener};

/// The change of a reload for one reactor, which drops it when it is applied.
pub struct ReactorChange {
    /// The templates of new instances.
    pub templates: Templates,
    /// The number of tenant slots.
    pub tenants: usize,
    /// New listeners.
    pub opened: Vec<Listener>,
    /// Listeners that stay, each with its old and its new endpoint. The operator's other listeners are closed.
    pub kept: Vec<(Arc<Endpoint>, Arc<Endpoint>)>,
    /// Prepared programs that start on this reactor.
    pub programs: Vec<Sandbox>,
    /// How long a stop may take.
    pub stop_deadline: Duration,
    /// How long a close after writing waits for a peer that does not read.
    pub close_deadline: Duration,
    /// Dropped when the change is applied.
    pub taken: Sender<()>,
}

/// Sends changes to one reactor. Clones send to the same one.
#[derive(Debug, Clone)]
pub struct ReactorChanges {
    sender: Sender<ReactorChange>,
    bell: Arc<Bell>,
}

impl ReactorChanges {
    /// Sends into this channel and rings the bell of its reactor.
    pub fn new(sender: Sender<ReactorChange>, bell: Arc<Bell>) -> ReactorChanges {
        ReactorChanges { sender, bell }
    }

    /// Sends a change. A reactor that has ended drops it.
    pub fn send(&self, change: ReactorChange) {
        if self.sender.send(change).is_ok() {
            self.bell.ring();
        }
    }
}

impl std::fmt::Debug for ReactorChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReactorChange").finish_non_exhaustive()
    }
}
