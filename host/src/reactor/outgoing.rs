//! What is done after the sockets: outgoing connections and processes begin, slow peers that caught up are told.

use std::collections::VecDeque;

use mio::Interest;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::token::PollSource;
use crate::contract::bindings::Origin;
use crate::log::text::GuestText;
use crate::net::connection::{CloseReason, Connection, Phase, SharedConnection};
use crate::net::outbound::{Attempt, Attempts, Target};
use crate::quota::semaphore::Permit;
use crate::reactor::Reactor;
use crate::reactor::table::connection::Entry;
use crate::reactor::table::event::Event;
use crate::reactor::table::pending::Pending;
use crate::workers::resolver::Question;

impl Reactor {
    /// Does what has been wished for before this phase.
    pub(super) fn run_pending(&mut self) {
        for _ in 0..self.pending.len() {
            match self.pending.pop_front() {
                Some(Pending::Start(instance)) => self.pump(instance),
                Some(Pending::Connect { permit, lookup, instance, target, token }) => {
                    if let Some(id) = self.connect(permit, instance, &target, token) {
                        self.begin_connecting(id, target, lookup);
                    }
                }
                Some(Pending::Spawn(birth)) => self.spawn(birth),
                Some(Pending::Drained(id)) => {
                    if let Some(entry) = self.connections.get(id) {
                        self.deliver(entry.instance, Event::Drained(id));
                    }
                }
                None => {}
            }
        }
    }

    fn connect(
        &mut self,
        permit: Permit,
        instance_id: InstanceId,
        target: &Target,
        token: u32,
    ) -> Option<ConnectionId> {
        // The pending action of an instance that has ended ends here.
        let instance = self.instances.get_mut(instance_id)?;
        instance.pending_connects -= 1;
        let marks = crate::reactor::table::connection::marks(&instance.plugin);
        let tenant = instance.plugin.tenant.clone();
        let now = self.setup.env.clock.turn();
        let number = self.next_number();
        let mut connection = Connection::outgoing(number, marks, now);
        connection.count_for(tenant.writing.clone(), &tenant.outboxes);
        connection.handler = GuestText::name(target);
        let origin = Origin::Connected(token);
        let mut entry = Entry::new(instance_id, SharedConnection::new(connection), origin, permit);
        entry.begun = now;
        entry.outgoing = true;
        let id = self.add_connection(entry);
        self.reconcile(id);
        self.deliver(instance_id, Event::Open(id));
        // Its post-init has run, or the guest is suspended in it; either way the attempt begins now.
        Some(id)
    }

    fn begin_connecting(&mut self, id: ConnectionId, target: Target, lookup: Option<Permit>) {
        if let Some(attempt) = target.immediate() {
            if self.is_still_granted(id, &target) {
                self.attempt(id, Attempts::new([attempt].into()));
            } else {
                self.end_connection(id, CloseReason::Unreachable);
            }
        } else if let Target::Tcp { host, port } = &target {
            let question = Question {
                host: host.clone(),
                port: *port,
                tenant: self.tenant_of(id),
                connection: id,
                reply_to: self.inbox.post(),
                permit: lookup,
            };
            match self.resolver.ask(question) {
                Ok(()) => {
                    if let Some(entry) = self.connections.get_mut(id) {
                        entry.target = Some(target);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "name not looked up");
                    self.end_connection(id, CloseReason::NameNotFound);
                }
            }
        }
    }

    /// Whose a connection is.
    fn tenant_of(&self, id: ConnectionId) -> usize {
        let entry = self.connections.get(id);
        let instance = entry.and_then(|entry| self.instances.get(entry.instance));
        instance.map_or(0, |instance| instance.plugin.tenant.index)
    }

    /// The addresses of its name are known: those that are granted are tried.
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

    /// Begins with the first address, unless the connection has ended meanwhile.
    fn attempt(&mut self, id: ConnectionId, attempts: Attempts) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        if entry.shared.lock().phase() == Phase::Resolving {
            entry.attempts = attempts;
            self.next_attempt(id);
        }
    }

    fn next_attempt(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let mut connection = entry.shared.lock();
        match entry.attempts.begin_next() {
            Ok(mut stream) => {
                let (token, both) =
                    (PollSource::Connection(id).into(), Interest::READABLE.add(Interest::WRITABLE));
                match self.poll.registry().register(&mut stream, token, both) {
                    Ok(()) => {
                        entry.writable_wanted = true;
                        connection.connecting(stream);
                    }
                    Err(error) => {
                        tracing::error!(%error, "a socket cannot be polled");
                        connection.end(CloseReason::Failed);
                    }
                }
            }
            Err(reason) => connection.end(reason),
        }
        drop(connection);
        self.reconcile(id);
    }

    /// The operating system has news of an attempt.
    pub(super) fn on_connecting(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        let mut connection = entry.shared.lock();
        let Some(stream) = connection.stream() else { return };
        match stream.take_error() {
            Ok(None) if stream.peer().is_err() => return,
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => {
                // The old socket leaves the poll when it is closed.
                drop(connection.drop_stream());
                entry.attempts.failed(&error);
                drop(connection);
                self.next_attempt(id);
                return;
            }
        }
        connection.established(now);
        drop(connection);
        if let Some(key) = entry.pending_connect.take() {
            self.timers.cancel(key.0);
        }
        let instance = entry.instance;
        self.reconcile(id);
        self.deliver(instance, Event::Completed(id));
    }
}
