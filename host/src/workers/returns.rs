//! Returns calls from the slow lane to their reactor.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::base::arena::InstanceId;
use crate::engine::call::Finished;
use crate::mail::post::Bell;

/// A call that has ended in the slow lane.
pub struct Returned {
    pub instance: InstanceId,
    pub finished: Box<Finished>,
}

/// Sends ended calls to one reactor. Clones send to the same one.
#[derive(Debug, Clone)]
pub struct Returns {
    sender: Sender<Returned>,
    bell: Arc<Bell>,
}

impl Returns {
    /// Sends into this channel and rings the bell.
    pub fn new(sender: Sender<Returned>, bell: Arc<Bell>) -> Returns {
        Returns { sender, bell }
    }

    /// Sends an ended call. For a reactor that has ended it is dropped.
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
