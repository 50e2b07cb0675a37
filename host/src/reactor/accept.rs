//! Accepting connections, and pausing listeners at a limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use crate::config::bound::Limit;
use crate::config::limits;
use crate::config::model::{AtCapacity, Isolation};
use crate::engine::event::{ConnectionOrigin, Event};
use crate::log::text::GuestText;
use crate::net::connection::stream::Stream;
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::service::Service;
use crate::plugin::subject::plugin_line;
use crate::quota::host_memory::{Admission, CONNECTION_BYTES, TLS_BYTES};
use crate::reactor::Reactor;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::instance::Unavailable;
use crate::reactor::table::turn::{Accepted, Accepting, SocketStep};
use crate::reactor::table::turn_part::TurnPart;

/// The shortest time between two log lines about a listener at its limit.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The most connections, or datagrams, that a listener accepts once the reactor stops: the default maximum of a backlog on
/// Linux.
const LAST_ACCEPTS: usize = 4096;

/// How long a listener that could not accept pauses, unless a resource is released before.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Why a connection was not accepted.
pub(super) enum NotAccepted {
    /// The backlog is empty.
    Nothing,
    /// The peer has gone, or the plugin cannot be started.
    Gone,
    /// The peer is not a trusted proxy.
    Distrusted,
    /// The plugin is being drained.
    Draining,
    /// This limit is reached; the connection was taken from the backlog and is lost.
    Full(Limit),
    /// This limit is reached; the connection stays in the backlog.
    Closed(Limit),
}

impl NotAccepted {
    fn of(error: &io::Error) -> NotAccepted {
        const PROCESS_HAS_TOO_MANY: i32 = Errno::MFILE.raw_os_error();
        const SYSTEM_HAS_TOO_MANY: i32 = Errno::NFILE.raw_os_error();
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => NotAccepted::Nothing,
            Some(PROCESS_HAS_TOO_MANY | SYSTEM_HAS_TOO_MANY) => {
                NotAccepted::Full(Limit::FileDescriptors)
            }
            _ if error.kind() == io::ErrorKind::OutOfMemory => {
                NotAccepted::Full(Limit::SystemMemory)
            }
            _ => NotAccepted::Gone,
        }
    }
}

impl Reactor {
    /// Accepts once; returns whether to continue with this listener.
    pub(super) fn accept(&mut self, accepting: Accepting) -> SocketStep {
        let place = accepting.place;
        let step = self.accept_or_wait(accepting);
        self.retire_if_it_is_the_end(place, &step);
        step
    }

    /// For the stop: listeners accept what is in their backlogs, and are closed.
    pub(super) fn accept_what_has_come(&mut self) {
        for place in self.acceptors.places() {
            let acceptor = self.acceptors.get_mut(place);
            match acceptor.filter(|acceptor| acceptor.again.is_none()) {
                Some(acceptor) => {
                    acceptor.last = Some(LAST_ACCEPTS);
                    self.acceptors.make_ready(place);
                }
                // At a limit nothing can be accepted.
                None => self.retire(place),
            }
        }
    }

    /// Closes a stopping listener whose backlog is empty.
    pub(super) fn retire_if_it_is_the_end(&mut self, place: usize, step: &SocketStep) {
        let Some(acceptor) = self.acceptors.get_mut(place) else { return };
        let Some(last) = &mut acceptor.last else { return };
        *last = last.saturating_sub(1);
        let is_last = *last == 0 || !self.acceptors.is_ready(place);
        if matches!(step, SocketStep::Next) && is_last {
            self.retire(place);
        }
    }

    /// Takes a listener out of the loop. The peers of a UDP socket keep it until they end.
    fn retire(&mut self, place: usize) {
        let Some(mut acceptor) = self.acceptors.remove(place) else { return };
        acceptor.listener.endpoint.close_copies();
        if let Err(error) = self.poll.registry().deregister(&mut acceptor.listener) {
            tracing::debug!(%error, "listener not deregistered");
        }
        if let Some(key) = acceptor.again.take() {
            self.timers.cancel(key);
        }
    }

    fn accept_or_wait(&mut self, mut accepting: Accepting) -> SocketStep {
        let place = accepting.place;
        if let Some(accepted) = accepting.accepted.take() {
            self.open_accepted(*accepted);
            // The last accept may have reached a limit.
            if self.is_paused(place) {
                return SocketStep::Next;
            }
        }
        let tenant = self.tenant_of_acceptor(place);
        let waits = |tenant| self.fair_share.passes_over(TurnPart::Accepts, tenant);
        if accepting.left == 0 || tenant.is_some_and(waits) {
            self.acceptors.make_ready(place);
            return SocketStep::Next;
        }
        accepting.left -= 1;
        match self.charged(tenant.unwrap_or(0), |reactor| reactor.accept_one(place)) {
            Ok(accepted) => accepting.accepted = Some(Box::new(accepted)),
            Err(NotAccepted::Gone) if self.is_paused(place) => return SocketStep::Next,
            Err(NotAccepted::Gone | NotAccepted::Distrusted) => {}
            Err(NotAccepted::Draining) if self.refuses(place) && self.turn_away(place) => {}
            // Resumed with the plugin.
            Err(NotAccepted::Nothing | NotAccepted::Draining) => return SocketStep::Next,
            Err(NotAccepted::Closed(limit)) if self.refuses(place) => {
                self.log_not_accepting(place, limit);
                if !self.turn_away(place) {
                    return SocketStep::Next;
                }
            }
            Err(NotAccepted::Full(limit) | NotAccepted::Closed(limit)) => {
                self.log_not_accepting(place, limit);
                self.pause_acceptor(place);
                return SocketStep::Next;
            }
        }
        SocketStep::Accept(accepting)
    }

    pub(super) fn tenant_of_acceptor(&self, place: usize) -> Option<usize> {
        let plugin = self.acceptors.get(place)?.plugin();
        Some(self.plugin(plugin)?.tenant.index)
    }

    /// Accepts a connection from a listener's backlog. Starts the plugin's shared instance, if it is not running.
    fn accept_one(&mut self, place: usize) -> Result<Accepted, NotAccepted> {
        let (plugin, admission) = self.admit(place)?;
        let descriptor = self.setup.env.host.descriptors.acquire(plugin.tenant.index);
        let descriptor = descriptor.ok_or(NotAccepted::Closed(Limit::FileDescriptors))?;
        let acceptor = self.acceptors.get(place).ok_or(NotAccepted::Nothing)?;
        let stream = acceptor.listener.accept().map_err(|error| NotAccepted::of(&error))?;
        if !self.trusts(place, &stream) {
            stream.reset_on_close();
            return Err(NotAccepted::Distrusted);
        }
        self.accepted(place, plugin, admission.with_descriptor(descriptor), stream)
    }

    /// Admits one more connection of a listener's plugin.
    pub(super) fn admit(&mut self, place: usize) -> Result<(Arc<Plugin>, Admission), NotAccepted> {
        let acceptor = self.acceptors.get(place).ok_or(NotAccepted::Nothing)?;
        let plugin = self.plugin(acceptor.plugin()).ok_or(NotAccepted::Nothing)?.clone();
        if self.waits_for_handover(plugin.index) {
            return Err(NotAccepted::Nothing);
        }
        if plugin.counters.service() == Service::Draining {
            return Err(NotAccepted::Draining);
        }
        let is_owned = acceptor.owner.is_some() && plugin.config.isolation == Isolation::Plugin;
        let has_instance = is_owned || self.programs.shared(plugin.index).is_some();
        if plugin.counters.is_held_back() && !has_instance {
            return Err(NotAccepted::Closed(Limit::Of(&limits::TRAPS)));
        }
        let permit = plugin.usage.accepted.try_acquire();
        let permit = permit.ok_or(NotAccepted::Closed(Limit::Of(&limits::CONNECTIONS)))?;
        let endpoint = &acceptor.listener.endpoint;
        let header = endpoint.proxy_protocol.as_ref().map_or(0, |(_, most)| *most);
        let header = u64::try_from(header).unwrap_or(u64::MAX);
        let tls = if endpoint.tls.is_some() { TLS_BYTES } else { 0 };
        let bytes = (CONNECTION_BYTES + tls).saturating_add(header);
        let admission = Admission::of(permit, &plugin.tenant.host_memory, bytes);
        let admission = admission.ok_or(NotAccepted::Closed(Limit::Of(&limits::HOST_MEMORY)))?;
        if !has_instance {
            let room = self.setup.quota.check(plugin.tenant.index);
            room.map_err(|full| NotAccepted::Closed(full.bound().into()))?;
            if !plugin.tenant.memory.has_room(plugin.least_memory) {
                return Err(NotAccepted::Closed(Limit::Of(&limits::TENANT_MEMORY)));
            }
        }
        let now = self.setup.env.clock.turn();
        if plugin.accepts.as_ref().is_some_and(|accepts| accepts.is_empty(now)) {
            return Err(NotAccepted::Closed(Limit::Of(&limits::ACCEPTS_PER_SECOND)));
        }
        Ok((plugin, admission))
    }

    /// Handles an accepted and admitted connection.
    pub(super) fn accepted(
        &mut self,
        place: usize,
        plugin: Arc<Plugin>,
        admission: Admission,
        stream: Stream,
    ) -> Result<Accepted, NotAccepted> {
        let acceptor = self.acceptors.get_mut(place).ok_or(NotAccepted::Nothing)?;
        if let Some(accepts) = &plugin.accepts {
            accepts.take(1);
        }
        acceptor.at_limit = None;
        if let Some(key) = acceptor.again.take() {
            self.timers.cancel(key);
        }
        let accepted = acceptor.listener.endpoint.accepted.clone();
        let handler = match &*accepted.handler {
            "" => {
                plugin.default_handler.get().cloned().unwrap_or_else(|| GuestText::name("default"))
            }
            handler => GuestText::name(handler),
        };
        let owner = acceptor.owner.as_ref().map(|owner| owner.instance);
        let owner = owner.filter(|_| plugin.config.isolation == Isolation::Plugin);
        let instance = owner.map_or_else(|| self.instance_for(plugin.index), Ok);
        let instance = instance.map_err(|why| match why {
            // Another reactor has taken the last slot; this connection is lost.
            Unavailable::NoRoom(full) => NotAccepted::Full(full.bound().into()),
            Unavailable::Quarantined | Unavailable::Gone => NotAccepted::Gone,
        })?;
        let origin = ConnectionOrigin::Accepted(accepted);
        let header = self.header_at(place);
        Ok(Accepted {
            instance,
            plugin,
            stream,
            header,
            origin,
            handler,
            admission,
            datagram: None,
        })
    }

    /// Opens an accepted connection on its instance. If that has ended while it was starting, the connection is closed.
    pub(super) fn open_accepted(&mut self, accepted: Accepted) {
        let Accepted { instance, plugin, stream, header, .. } = accepted;
        if let Some(stats) = plugin.counters.stats.on(self.setup.index) {
            stats.accepted.add(1);
        }
        let Accepted { origin, handler, admission, datagram, .. } = accepted;
        if self.instances.get(instance).is_none() {
            return;
        }
        let opened = self.open_socket(instance, &plugin, stream, handler, admission);
        let Some((id, shared)) = opened else { return self.end_if_unused(instance) };
        if let Some(most) = header {
            shared.lock().expect_header(most);
        }
        let opening = Event::open(id, shared, origin);
        match header.and(self.connections.get_mut(id)) {
            // The header of its proxy has to be read first.
            Some(entry) => entry.opening = Some(opening),
            None => self.deliver(instance, opening),
        }
        self.begin_handshake(id);
        if let Some(first) = datagram {
            self.open_peer(id, first);
        }
    }

    /// Whether a listener refuses connections beyond the limit (`at_capacity = "refuse"`).
    fn refuses(&self, place: usize) -> bool {
        let at_capacity =
            self.acceptors.get(place).map(|acceptor| acceptor.listener.endpoint.at_capacity);
        at_capacity == Some(AtCapacity::Refuse)
    }

    /// Accepts a connection and resets it; false if none waits.
    fn turn_away(&mut self, place: usize) -> bool {
        let accepted = self.acceptors.get_mut(place).map(|acceptor| acceptor.listener.accept());
        match accepted {
            Some(Ok(stream)) => {
                // A reset tells the peer at once and leaves no TIME_WAIT here.
                stream.reset_on_close();
                self.note_turned_away(place);
                true
            }
            Some(Err(error)) => match NotAccepted::of(&error) {
                NotAccepted::Gone | NotAccepted::Distrusted => true,
                NotAccepted::Nothing | NotAccepted::Draining => false,
                NotAccepted::Full(limit) | NotAccepted::Closed(limit) => {
                    self.log_not_accepting(place, limit);
                    self.pause_acceptor(place);
                    false
                }
            },
            None => false,
        }
    }

    fn note_turned_away(&self, place: usize) {
        let Some(acceptor) = self.acceptors.get(place) else { return };
        let roster = self.setup.env.host.roster();
        let plugin = roster.plugin(acceptor.plugin());
        if let Some(stats) = plugin.and_then(|plugin| plugin.counters.stats.on(self.setup.index)) {
            stats.turned_away.add(1);
        }
    }

    /// Logs that a listener does not accept, at most every [`TELL_AGAIN_AFTER`].
    pub(super) fn log_not_accepting(&mut self, place: usize, limit: Limit) {
        let now = self.setup.env.clock.now();
        let Some(acceptor) = self.acceptors.get_mut(place) else { return };
        let Some(template) = self.setup.templates.get(acceptor.plugin()) else { return };
        let plugin = &template.plugin;
        // A datagram that is not accepted is lost.
        let turns_away = acceptor.listener.endpoint.at_capacity == AtCapacity::Refuse
            || acceptor.listener.datagrams().is_some();
        let is_reached = acceptor.at_limit.replace(limit) != Some(limit);
        if !is_reached && !turns_away {
            return;
        }
        // Counted each time; logged rarely.
        let count = plugin.counters.add(CounterKey::Limit(limit));
        if acceptor.told.is_some_and(|told| now.since(told) < TELL_AGAIN_AFTER) {
            return;
        }
        acceptor.told = Some(now);
        let address = acceptor.listener.endpoint.accepted.listener.clone();
        let value = self.shown(plugin, limit);
        plugin.tell(now, || {
            plugin_line!(
                warn,
                plugin,
                address,
                limit = &*limit.name(),
                value,
                count,
                "at its limit: {}",
                if turns_away { "turning away" } else { "not accepting for now" }
            );
        });
    }

    pub(super) fn is_paused(&self, place: usize) -> bool {
        self.acceptors.get(place).is_some_and(|acceptor| acceptor.again.is_some())
    }

    /// Pauses the listeners of a plugin.
    pub(super) fn pause_acceptors_of(&mut self, plugin: usize) {
        for place in self.acceptors.places_of(plugin) {
            self.pause_acceptor(place);
        }
    }

    /// Pauses a listener; connections stay in the backlog.
    pub(super) fn pause_acceptor(&mut self, place: usize) {
        let now = self.setup.env.clock.now();
        let Some(acceptor) = self.acceptors.get_mut(place) else { return };
        if acceptor.again.is_none() {
            let template = self.setup.templates.get(acceptor.plugin());
            let accepts = template.and_then(|template| template.plugin.accepts.as_ref());
            let accepts = accepts.filter(|accepts| accepts.is_empty(now));
            let due = accepts.map(|accepts| accepts.worth_waiting_for(now));
            let due = due.unwrap_or(now + ACCEPT_AGAIN_AFTER);
            let again = self.timers.insert(Owner::Host, due, Purpose::Accept(place));
            acceptor.again = Some(again);
        }
    }

    /// Resumes a paused listener.
    pub(super) fn try_again(&mut self, place: usize) {
        if let Some(acceptor) = self.acceptors.get_mut(place) {
            acceptor.again = None;
            self.acceptors.make_ready(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_closes_the_gate_for_a_while() {
        for error in [Errno::MFILE, Errno::NFILE] {
            let refusal = NotAccepted::of(&error.into());
            assert!(matches!(refusal, NotAccepted::Full(Limit::FileDescriptors)), "{error}");
        }
        let none = NotAccepted::of(&io::ErrorKind::WouldBlock.into());
        assert!(matches!(none, NotAccepted::Nothing));
        let gone = NotAccepted::of(&io::ErrorKind::ConnectionAborted.into());
        assert!(matches!(gone, NotAccepted::Gone));
    }
}
