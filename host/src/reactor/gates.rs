//! Listeners in the loop: what they accept, and when they have to wait.

use std::io;
use std::time::Duration;

use mio::Interest;

use super::arena::Source;
use super::connections::{Entry, marks};
use super::events::Event;
use super::instances::Unavailable;
use super::timers::Purpose;
use super::{ACCEPTS_PER_TURN, Reactor};
use crate::clock::Moment;
use crate::connection::{Connection, Shared};
use crate::host_api::bindings::Origin;
use crate::listener::Listener;
use crate::timer::TimerKey;

/// A listener, and whether it has to wait.
pub(super) struct Gate {
    listener: Listener,
    /// Set while it cannot accept: when it tries again if nothing ends before.
    again: Option<TimerKey>,
    /// When the operator was last told that it cannot.
    told: Option<Moment>,
}

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
}

impl Refusal {
    fn of(error: &io::Error) -> Refusal {
        const PROCESS_HAS_TOO_MANY: i32 = 24;
        const SYSTEM_HAS_TOO_MANY: i32 = 23;
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => Refusal::Nothing,
            Some(PROCESS_HAS_TOO_MANY | SYSTEM_HAS_TOO_MANY) => Refusal::Full("file descriptors"),
            _ if error.kind() == io::ErrorKind::OutOfMemory => Refusal::Full("memory"),
            _ => Refusal::Gone,
        }
    }
}

impl Gate {
    pub(super) fn new(listener: Listener) -> Gate {
        Gate { listener, again: None, told: None }
    }

    /// The plugin it serves.
    pub(super) fn plugin(&self) -> usize {
        self.listener.endpoint.plugin
    }
}

impl Reactor {
    /// Accepts from a listener, a bounded number in one turn.
    pub(super) fn accept(&mut self, place: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.accept_one(place) {
                Ok(()) | Err(Refusal::Gone) => {}
                Err(Refusal::Nothing) => return,
                Err(Refusal::Full(limit)) => {
                    self.close_gate(place, limit);
                    return;
                }
            }
        }
        self.ready_gates.push_back(place);
    }

    fn accept_one(&mut self, place: usize) -> Result<(), Refusal> {
        let gate = self.gates.get_mut(place).ok_or(Refusal::Nothing)?;
        let plugin = self.setup.home.hub.plugins[gate.plugin()].clone();
        let permit = plugin.usage.accepted.take(plugin.config.limits.connections);
        let permit = permit.ok_or(Refusal::Full("connections"))?;
        let has_instance = self.shared[plugin.index].is_some();
        if !has_instance && !self.setup.instances.is_below(self.setup.instances_max) {
            return Err(Refusal::Full("instances"));
        }
        let mut stream = gate.listener.accept().map_err(|error| Refusal::of(&error))?;
        if let Some(key) = gate.again.take() {
            self.timers.cancel(key);
        }
        let accepted = gate.listener.endpoint.accepted.clone();
        let handler = match &*accepted.handler {
            "" => plugin.default_handler.get().map_or("default", |name| name).to_owned(),
            handler => handler.to_owned(),
        };
        let origin = Origin::Accepted(accepted);
        let now = self.setup.home.clock.turn();
        let instance = self.instance_for(plugin.index).map_err(|why| match why {
            // Another reactor was faster; this connection is lost.
            Unavailable::NoRoom => Refusal::Full("instances"),
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
        let entry = Entry::new(instance, Shared::new(connection), origin, permit);
        let id = self.add_connection(entry);
        self.deliver(instance, Event::Open(id));
        Ok(())
    }

    /// A listener stops accepting for a while; what waits stays in the backlog.
    fn close_gate(&mut self, place: usize, limit: &'static str) {
        let now = self.setup.home.clock.now();
        let Some(gate) = self.gates.get_mut(place) else { return };
        if gate.told.is_none_or(|told| TELL_AGAIN_AFTER <= now.since(told)) {
            gate.told = Some(now);
            let plugin = self.setup.home.hub.plugins[gate.listener.endpoint.plugin].name();
            let address = &*gate.listener.endpoint.accepted.listener;
            tracing::warn!(plugin, address, limit, "at its limit: not accepting for now");
        }
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
