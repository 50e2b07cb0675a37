//! Draining the connections of a plugin: the accepted ones by a command of the operator, and those of an earlier version after
//! a reload.

use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::reactor::Reactor;
use crate::reactor::table::connection::ConnectionEntry;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::drain::DrainCause;
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

    pub(super) fn drain_accepted_of(&mut self, id: InstanceId, tenant: usize, until: Moment) {
        let accepted = self.accepted_of(id, |_| true);
        self.drain_each(accepted, tenant, DrainCause::Stop, until);
    }

    /// The version of an instance is served no more: drains its accepted connections until `until`, and those that it has
    /// opened itself when no accepted one is left, since they may serve it.
    pub(super) fn retire_instance(&mut self, id: InstanceId, tenant: usize, until: Moment) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.retires = Some(until);
        if instance.accepted == 0 {
            return self.drain_opened_of(id, tenant, until);
        }
        let accepted = self.accepted_of(id, |_| true);
        self.drain_each(accepted, tenant, DrainCause::Reload, until);
    }

    /// Drains the connections of an instance, none of which is accepted.
    pub(super) fn drain_opened_of(&mut self, id: InstanceId, tenant: usize, until: Moment) {
        let Some(instance) = self.instances.get(id) else { return };
        let opened = instance.connections.clone();
        self.drain_each(opened, tenant, DrainCause::Reload, until);
    }

    /// Each connection has a turn of its own: an instance that is shared may have very many.
    fn drain_each(
        &mut self,
        connections: Vec<ConnectionId>,
        tenant: usize,
        cause: DrainCause,
        until: Moment,
    ) {
        let drains = connections.into_iter().map(|id| Overstay::Drain(id, cause, until)).collect();
        self.agenda.overstays.extend(tenant, drains);
    }

    /// Drains a connection that an instance of an earlier version has just opened, if it has no accepted ones.
    pub(super) fn drain_if_it_retires(&mut self, id: ConnectionId) {
        let instance = self.connections.get(id).map(|entry| entry.instance);
        let Some(instance) = instance.and_then(|id| self.instances.get(id)) else { return };
        if let Some(until) = instance.retires
            && instance.accepted == 0
        {
            self.drain_connection(id, DrainCause::Reload, until);
        }
    }

    pub(super) fn cut_drained_of(&mut self, id: InstanceId, tenant: usize) {
        let now = self.setup.env.clock.now();
        let is_late = |entry: &ConnectionEntry| {
            let until = entry.draining.as_ref().map(|draining| draining.until);
            until.is_some_and(|until| until.since(now) == Duration::ZERO)
        };
        let cuts = self.accepted_of(id, is_late).into_iter().map(Overstay::Cut).collect();
        self.agenda.overstays.extend(tenant, cuts);
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
