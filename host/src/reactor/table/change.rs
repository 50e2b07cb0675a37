//! What a reload changes in a reactor.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::engine::sandbox::Sandbox;
use crate::engine::template::Templates;
use crate::mail::post::Bell;
use crate::net::listener::{Endpoint, Listener};

/// What a reload changes in one reactor. It has taken it when it has dropped it.
pub struct ReactorChange {
    /// What instances are made from that begin from now on.
    pub templates: Templates,
    /// Places for tenants.
    pub tenants: usize,
    /// New listeners.
    pub opened: Vec<Listener>,
    /// Listeners that stay: what they were and what they are. The operator's others go.
    pub kept: Vec<(Arc<Endpoint>, Arc<Endpoint>)>,
    /// Programs that begin here, prepared.
    pub programs: Vec<Sandbox>,
    /// How long `stop` waits for output to drain.
    pub stop_deadline: Duration,
    /// How long a close after writing waits for a peer that does not read.
    pub close_deadline: Duration,
    /// Gone when the change is taken.
    pub taken: Sender<()>,
}

/// Sends changes to one reactor. Clones reach the same.
#[derive(Debug, Clone)]
pub struct ReactorChanges {
    sender: Sender<ReactorChange>,
    bell: Arc<Bell>,
}

impl ReactorChanges {
    /// What is sent goes to the other end of `sender`, whose reactor has this bell.
    pub fn new(sender: Sender<ReactorChange>, bell: Arc<Bell>) -> ReactorChanges {
        ReactorChanges { sender, bell }
    }

    /// Sends. A reactor that has ended drops it.
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
