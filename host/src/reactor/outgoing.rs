//! Outgoing connections: name look-ups and attempts.

use std::collections::VecDeque;

use mio::Interest;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::token::PollSource;
use crate::engine::event::{ConnectionOrigin, Event};
use crate::log::text::GuestText;
use crate::net::connection::outbox::Marks;
use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, Connection, Phase, SharedConnection};
use crate::net::outbound::attempts::{Attempts, NEXT_AFTER, Progress};
use crate::net::outbound::{Attempt, Target};
use crate::quota::host_memory::Admission;
use crate::reactor::Reactor;
use crate::reactor::table::connection::ConnectionEntry;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::turn::Connecting;
use crate::workers::resolver::LookUp;

impl Reactor {
    /// Adds a connection without a socket, and delivers its `post-init`.
    pub(super) fn connect(
        &mut self,
        admission: Admission,
        instance_id: InstanceId,
        target: &Target,
        token: u32,
    ) -> Option<ConnectionId> {
        // Nothing to do if the instance has ended.
        let instance = self.instances.get_mut(instance_id)?;
        instance.pending_connects -= 1;
        let marks = Marks::of(&instance.plugin.config.limits);
        let tenant = instance.plugin.tenant.clone();
        let now = self.setup.env.clock.turn();
        let number = self.next_number();
        let mut connection = Connection::outgoing(number, marks, now);
        connection.count_for(Some(tenant.writing.clone()), &tenant.outboxes);
        connection.handler = GuestText::name(target);
        let shared = SharedConnection::new(connection);
        let mut entry = ConnectionEntry::new(instance_id, shared.clone(), admission);
        entry.begun = now;
        entry.outgoing = true;
        entry.is_asked_for = true;
        let id = self.add_connection(entry);
        self.reconcile(id);
        self.deliver(instance_id, Event::open(id, shared, ConnectionOrigin::Connected(token)));
        self.drain_what_comes_late(id);
        Some(id)
    }

    /// Begins to connect. `post-init` has run, or is still running in the slow lane.
    pub(super) fn begin_connecting(&mut self, connecting: Connecting) {
        let Connecting { connection: id, target, lookup } = connecting;
        if let Some(attempt) = target.immediate() {
            if self.is_still_granted(id, &target) {
                self.attempt(id, Attempts::new([attempt].into()));
            } else {
                self.end_connection(id, CloseReason::Unreachable);
            }
        } else if let Target::Tcp { host, port } = &target {
            if let Some(addresses) = self.setup.env.host.network.look_up(host, *port) {
                if let Some(entry) = self.connections.get_mut(id) {
                    entry.target = Some(target);
                }
                return self.resolved(id, addresses);
            }
            let look_up = LookUp {
                host: host.clone(),
                port: *port,
                tenant: self.tenant_of(id),
                connection: id,
                reply_to: self.inbox.post(),
                permit: lookup,
            };
            match self.setup.resolver.ask(look_up) {
                Ok(()) => {
                    if let Some(entry) = self.connections.get_mut(id) {
                        entry.target = Some(target);
                    }
                }
                Err(error) => {
                    self.tell_of(id, |plugin, tenant| {
                        tracing::warn!(plugin, tenant, %error, "name not looked up");
                    });
                    self.end_connection(id, CloseReason::NameNotFound);
                }
            }
        }
    }

    /// Logs a line about a connection.
    fn tell_of(&self, id: ConnectionId, line: impl FnOnce(&str, &str)) {
        let entry = self.connections.get(id);
        let Some(instance) = entry.and_then(|entry| self.instances.get(entry.instance)) else {
            return;
        };
        let plugin = &instance.plugin;
        plugin.tell(self.setup.env.clock.now(), || line(plugin.name(), &plugin.config.tenant));
    }

    /// The tenant of a connection.
    pub(super) fn tenant_of(&self, id: ConnectionId) -> usize {
        let entry = self.connections.get(id);
        let instance = entry.and_then(|entry| self.instances.get(entry.instance));
        instance.map_or(0, |instance| instance.plugin.tenant.index)
    }

    /// The addresses of the name are known: tries those that are granted.
    pub(super) fn resolved(&mut self, id: ConnectionId, addresses: VecDeque<Attempt>) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let Some(target) = entry.target.take() else { return };
        if entry.shared.lock().phase() != Phase::Resolving {
            return;
        }
        let found = !addresses.is_empty();
        let granted = self.granted(id, &target, addresses);
        if found && granted.is_empty() {
            self.end_connection(id, CloseReason::Unreachable);
        } else {
            self.attempt(id, Attempts::new(granted));
        }
    }

    /// Tries the first address, unless the connection has ended meanwhile.
    fn attempt(&mut self, id: ConnectionId, attempts: Attempts) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        if entry.shared.lock().phase() == Phase::Resolving {
            let local = entry.attempts.begins_at();
            entry.attempts = attempts;
            entry.attempts.begin_at(local);
            entry.shared.lock().connecting();
            // Connecting sockets are registered for reading and writing.
            entry.writable_wanted = true;
            self.next_attempt(id);
        }
    }

    /// Begins the next attempt, in parallel to those in progress.
    pub(super) fn next_attempt(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.now();
        let owner = Owner::Tenant(self.tenant_of(id));
        let Some(entry) = self.connections.get_mut(id) else { return };
        if entry.shared.lock().phase() != Phase::Connecting {
            return;
        }
        if let Some(key) = entry.next_attempt.take() {
            self.timers.cancel(key);
        }
        let registry = self.poll.registry();
        let token = PollSource::Connection(id).into();
        let both = Interest::READABLE.add(Interest::WRITABLE);
        let network = &self.setup.env.host.network;
        let register = |stream: &mut Stream| registry.register(stream, token, both);
        if let Err(reason) = entry.attempts.begin_next(network, register) {
            entry.shared.lock().end(reason);
        } else if entry.attempts.has_more() {
            let due = now + NEXT_AFTER;
            entry.next_attempt = Some(self.timers.insert(owner, due, Purpose::NextAttempt(id)));
        }
        self.reconcile(id);
    }

    /// The poll has an event for an attempt.
    pub(super) fn on_connecting(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        let stream = match entry.attempts.progress() {
            Progress::Waiting => return,
            Progress::Failed => return self.next_attempt(id),
            Progress::Connected(stream) => stream,
        };
        entry.shared.lock().established(stream, now);
        let keys = [entry.pending_connect.take().map(|set| set.0), entry.next_attempt.take()];
        keys.into_iter().flatten().for_each(|key| self.timers.cancel(key));
        let instance = entry.instance;
        self.write(id);
        self.deliver(instance, Event::Completed(id));
    }
}
