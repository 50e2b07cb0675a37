//! Draining the accepted connections of a plugin, by a command of the operator.

use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::reactor::Reactor;
use crate::reactor::table::connection::ConnectionEntry;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::leaving::Overstay;

impl Reactor {
    /// Drains the accepted connections of a plugin. They are collected once, since its listeners accept no more.
    pub(super) fn drain_plugin(&mut self, place: usize) {
        let Some(plugin) = self.plugin(place) else { return };
        let longest = plugin.config.limits.drain_deadline;
        let until = self.setup.env.clock.now() + longest;
        self.timers.insert(Owner::Host, until, Purpose::Drained(place));
        self.overstay(|plugin| plugin.index == place, |id| Overstay::Draining(id, until));
    }

    /// The drain deadline has passed: cuts the connections that are left.
    pub(super) fn drained_for_long(&mut self, place: usize) {
        self.overstay(|plugin| plugin.index == place, Overstay::Drained);
    }

    pub(super) fn drain_accepted_of(&mut self, id: InstanceId, until: Moment) {
        for connection in self.accepted_of(id, |_| true) {
            self.drain_connection(connection, until);
        }
    }

    pub(super) fn cut_drained_of(&mut self, id: InstanceId) {
        let now = self.setup.env.clock.now();
        let is_late = |entry: &ConnectionEntry| {
            let until = entry.draining.as_ref().map(|draining| draining.until);
            until.is_some_and(|until| until.since(now) == Duration::ZERO)
        };
        for connection in self.accepted_of(id, is_late) {
            self.cut_connection(connection);
        }
    }

    fn accepted_of(
        &self,
        id: InstanceId,
        is_wanted: impl Fn(&ConnectionEntry) -> bool,
    ) -> Vec<ConnectionId> {
        let Some(instance) = self.instances.get(id) else { return Vec::new() };
        let is_wanted = |id: &ConnectionId| {
            let entry = self.connections.get(*id);
            entry.is_some_and(|entry| !entry.is_asked_for && is_wanted(entry))
        };
        instance.connections.iter().copied().filter(is_wanted).collect()
    }
}
