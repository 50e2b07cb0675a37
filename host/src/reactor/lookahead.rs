//! Looking ahead: the processor fetches the memory of the next events of the poll while this one is served.
//!
//! Memory is found in steps: an event names its connection, whose entry names its instance, which holds its sandbox, which
//! says where its memory is. A step is taken when the one before has been fetched, which takes about as long as an event.
//! So each is taken for another event, the last step for the one that comes next.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::prefetch;
use crate::base::token::PollSource;
use crate::engine::sandbox::Sandbox;
use crate::reactor::Reactor;

/// For which event a step is taken, counted from the one that is served next.
const CONNECTION_ENTRY: usize = 4;
const INSTANCE_ENTRY: usize = 3;
const SANDBOX: usize = 2;
const WORKING_SET: usize = 1;

/// The number of connections up to which nothing is fetched: what they need together stays in the processor's second cache,
/// of one or two megabytes, and fetching it anew costs a tenth of an event. With two hundred it begins to gain.
const FEW: usize = 128;

/// The number of connections from which on it is noted where the memory of a new one's sandbox is. For all of them that took a
/// seventh of a short connection's time; with this number some are noted when there are more than a few.
const SOME: usize = FEW / 4;

impl Reactor {
    /// Whether a sandbox that is made now should have its memory noted.
    pub(super) fn is_about_to_look_ahead(&self) -> bool {
        SOME <= self.connections.len()
    }

    /// Has the processor fetch what the next events need.
    pub(super) fn look_ahead(&self) {
        if self.connections.len() <= FEW {
            return;
        }
        if let Some(id) = self.connection_ahead(CONNECTION_ENTRY) {
            self.connections.prefetch(id);
        }
        if let Some(id) = self.connection_ahead(INSTANCE_ENTRY)
            && let Some(entry) = self.connections.get(id)
        {
            entry.shared.prefetch();
            self.instances.prefetch(entry.instance);
        }
        if let Some(sandbox) = self.sandbox_ahead(SANDBOX) {
            prefetch::value(sandbox);
        }
        if let Some(sandbox) = self.sandbox_ahead(WORKING_SET) {
            sandbox.prefetch();
        }
    }

    /// The connection of an event.
    fn connection_ahead(&self, place: usize) -> Option<ConnectionId> {
        match self.events.ahead(place)? {
            PollSource::Connection(id) => Some(id),
            PollSource::Listener(_) | PollSource::Waker | PollSource::Watches => None,
        }
    }

    /// The sandbox of an event, unless the event before is for the same one, or it is not idle.
    fn sandbox_ahead(&self, place: usize) -> Option<&Sandbox> {
        let id = self.instance_ahead(place)?;
        let before = place.checked_sub(1).and_then(|place| self.instance_ahead(place));
        if before == Some(id) {
            return None;
        }
        self.instances.get(id)?.sandbox()
    }

    fn instance_ahead(&self, place: usize) -> Option<InstanceId> {
        Some(self.connections.get(self.connection_ahead(place)?)?.instance)
    }
}
