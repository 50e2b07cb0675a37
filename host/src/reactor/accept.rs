//! Listeners in the loop: what they accept, and when they have to wait.

use std::io;
use std::time::Duration;

use mio::Interest;
use rustix::io::Errno;

use crate::base::token::Source;
use crate::config::model::AtCapacity;
use crate::contract::bindings::Origin;
use crate::net::connection::{Connection, Shared};
use crate::plugin::counters::Kind;
use crate::reactor::table::connection::{Entry, marks};
use crate::reactor::table::deadline::Purpose;
use crate::reactor::table::event::Event;
use crate::reactor::table::instance::Unavailable;
use crate::reactor::{ACCEPTS_PER_TURN, Reactor};

/// How often the operator is told that a listener is at its limit, at most.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How long a listener that could not accept waits, unless something ends before.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Why a connection was not accepted.
enum Refusal {
    /// None waits.
    Nothing,
    /// The one that waited has gone, or its plugin cannot be started.
    Gone,
    /// This limit is reached.
    Full(&'static str),
    /// Nothing was taken from the backlog, and this limit is the plugin's own.
    Closed(&'static str),
}

impl Refusal {
    fn of(error: &io::Error) -> Refusal {
        const PROCESS_HAS_TOO_MANY: i32 = Errno::MFILE.raw_os_error();
        const SYSTEM_HAS_TOO_MANY: i32 = Errno::NFILE.raw_os_error();
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => Refusal::Nothing,
            Some(PROCESS_HAS_TOO_MANY | SYSTEM_HAS_TOO_MANY) => Refusal::Full("file descriptors"),
            _ if error.kind() == io::ErrorKind::OutOfMemory => Refusal::Full("memory"),
            _ => Refusal::Gone,
        }
    }
}

impl Reactor {
    /// Accepts from a listener, a bounded number in one turn.
    pub(super) fn accept(&mut self, place: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            if self.tenant_of_gate(place).is_some_and(|tenant| self.shares.is_served(tenant)) {
                break;
            }
            match self.accept_one(place) {
                Ok(()) | Err(Refusal::Gone) => {}
                Err(Refusal::Nothing) => return,
                Err(Refusal::Closed(limit)) if self.refuses(place) => {
                    self.tell_closed(place, limit);
                    if !self.turn_away(place) {
                        return;
                    }
                }
                Err(Refusal::Full(limit) | Refusal::Closed(limit)) => {
                    self.tell_closed(place, limit);
                    self.close_gate(place);
                    return;
                }
            }
        }
        self.ready_gates.push_back(place);
    }

    fn tenant_of_gate(&self, place: usize) -> Option<usize> {
        let plugin = self.gates.get(place)?.plugin();
        Some(self.setup.home.hub.plugins.get(plugin)?.tenant.index)
    }

    fn accept_one(&mut self, place: usize) -> Result<(), Refusal> {
        let gate = self.gates.get_mut(place).ok_or(Refusal::Nothing)?;
        let plugin = self.setup.home.hub.plugins[gate.plugin()].clone();
        let has_instance = self.shared[plugin.index].is_some();
        if plugin.evidence.is_parked() && !has_instance {
            return Err(Refusal::Closed("traps"));
        }
        let permit = plugin.usage.accepted.try_acquire();
        let permit = permit.ok_or(Refusal::Closed("connections"))?;
        if !has_instance {
            let room = self.setup.room.check(plugin.tenant.index);
            room.map_err(|full| Refusal::Closed(full.limit()))?;
        }
        let now = self.setup.home.clock.turn();
        if plugin.accepts.as_ref().is_some_and(|accepts| accepts.is_empty(now)) {
            return Err(Refusal::Closed("accepts_per_second"));
        }
        let mut stream = gate.listener.accept().map_err(|error| Refusal::of(&error))?;
        if let Some(accepts) = &plugin.accepts {
            accepts.take(1);
        }
        if let Some(key) = gate.again.take() {
            self.timers.cancel(key);
        }
        let accepted = gate.listener.endpoint.accepted.clone();
        let handler = match &*accepted.handler {
            "" => plugin.default_handler.get().map_or("default", |name| name).to_owned(),
            handler => handler.to_owned(),
        };
        let origin = Origin::Accepted(accepted);
        let instance = self.instance_for(plugin.index).map_err(|why| match why {
            // Another reactor was faster; this connection is lost.
            Unavailable::NoRoom(full) => Refusal::Full(full.limit()),
            Unavailable::Parked => Refusal::Gone,
            Unavailable::Ended => Refusal::Gone,
        })?;
        let token = Source::Connection(self.connections.next_key()).into();
        if let Err(error) = self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            tracing::error!(%error, "a socket cannot be polled");
            self.end_if_unused(instance);
            return Err(Refusal::Gone);
        }
        let number = self.next_number();
        let mut connection = Connection::accepted(number, stream, marks(&plugin), now);
        connection.handler = handler;
        connection.count_for(plugin.tenant.writing.clone(), &plugin.tenant.outboxes);
        let entry = Entry::new(instance, Shared::new(connection), origin, permit);
        let id = self.add_connection(entry);
        self.deliver(instance, Event::Open(id));
        Ok(())
    }

    /// Whether a listener turns away what its plugin cannot take.
    fn refuses(&self, place: usize) -> bool {
        let at_capacity = self.gates.get(place).map(|gate| gate.listener.endpoint.at_capacity);
        at_capacity == Some(AtCapacity::Refuse)
    }

    /// Accepts a connection and closes it; false when none waits.
    fn turn_away(&mut self, place: usize) -> bool {
        let accepted = self.gates.get_mut(place).map(|gate| gate.listener.accept());
        match accepted {
            Some(Ok(stream)) => {
                // The peer learns at once, and nothing of the connection stays behind here.
                stream.reset_on_close();
                true
            }
            Some(Err(error)) => match Refusal::of(&error) {
                Refusal::Gone => true,
                Refusal::Nothing => false,
                Refusal::Full(limit) | Refusal::Closed(limit) => {
                    self.tell_closed(place, limit);
                    self.close_gate(place);
                    false
                }
            },
            None => false,
        }
    }

    /// Tells the operator that a listener does not accept, now and then.
    fn tell_closed(&mut self, place: usize, limit: &'static str) {
        let now = self.setup.home.clock.now();
        let Some(gate) = self.gates.get_mut(place) else { return };
        let plugin = &self.setup.home.hub.plugins[gate.listener.endpoint.plugin];
        // Counted each time, told seldom.
        let count = plugin.evidence.add(Kind::Limit, limit);
        if gate.told.is_none_or(|told| TELL_AGAIN_AFTER <= now.since(told)) {
            gate.told = Some(now);
            let address = &*gate.listener.endpoint.accepted.listener;
            let of_host = || (limit == "instances").then(|| self.setup.room.max.to_string());
            let (tenant, value) = (&*plugin.config.tenant, plugin.shown(limit).or_else(of_host));
            let (plugin, version) = (plugin.name(), &*plugin.version);
            match gate.listener.endpoint.at_capacity {
                AtCapacity::Refuse => tracing::warn!(
                    plugin,
                    tenant,
                    version,
                    address,
                    limit,
                    value,
                    count,
                    "at its limit: turning away"
                ),
                AtCapacity::Wait => tracing::warn!(
                    plugin,
                    tenant,
                    version,
                    address,
                    limit,
                    value,
                    count,
                    "at its limit: not accepting for now"
                ),
            }
        }
    }

    /// A listener stops accepting for a while; what waits stays in the backlog.
    fn close_gate(&mut self, place: usize) {
        let now = self.setup.home.clock.now();
        let Some(gate) = self.gates.get_mut(place) else { return };
        if gate.again.is_none() {
            let again = self.timers.insert(now + ACCEPT_AGAIN_AFTER, Purpose::Accept(place));
            gate.again = Some(again);
        }
    }

    /// Something ended: listeners that wait may go on.
    pub(super) fn wake_gates(&mut self) {
        for (place, gate) in self.gates.iter().enumerate() {
            if gate.again.is_some() && !self.ready_gates.contains(&place) {
                self.ready_gates.push_back(place);
            }
        }
    }

    /// A listener that could not accept tries again.
    pub(super) fn try_again(&mut self, place: usize) {
        if let Some(gate) = self.gates.get_mut(place) {
            gate.again = None;
        }
        self.accept(place);
    }

    /// Removes every listener.
    pub(super) fn close_gates(&mut self) {
        for mut gate in self.gates.drain(..) {
            if let Err(error) = self.poll.registry().deregister(&mut gate.listener) {
                tracing::debug!(%error, "listener not deregistered");
            }
        }
        self.ready_gates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_closes_the_gate_for_a_while() {
        for error in [Errno::MFILE, Errno::NFILE] {
            let refusal = Refusal::of(&error.into());
            assert!(matches!(refusal, Refusal::Full("file descriptors")), "{error}");
        }
        let none = Refusal::of(&io::ErrorKind::WouldBlock.into());
        assert!(matches!(none, Refusal::Nothing));
        let gone = Refusal::of(&io::ErrorKind::ConnectionAborted.into());
        assert!(matches!(gone, Refusal::Gone));
    }
}
