//! The way home for calls that went on in the slow lane.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::base::arena::InstanceId;
use crate::engine::call::Finished;
use crate::mail::post::Bell;

/// A call that has come home.
pub struct Returned {
    /// Whose.
    pub instance: InstanceId,
    /// How it went.
    pub finished: Box<Finished>,
}

/// Sends calls home to one reactor. Clones reach the same.
#[derive(Debug, Clone)]
pub struct Returns {
    sender: Sender<Returned>,
    bell: Arc<Bell>,
}

impl Returns {
    /// Sends into this channel, and rings.
    pub fn new(sender: Sender<Returned>, bell: Arc<Bell>) -> Returns {
        Returns { sender, bell }
    }

    /// Sends a call home. A reactor that has ended needs it no more.
    pub fn send(&self, returned: Returned) {
        if self.sender.send(returned).is_ok() {
            self.bell.ring();
        }
    }
}

impl fmt::Debug for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returned").field("instance", &self.instance).finish_non_exhaustive()
    }
}
