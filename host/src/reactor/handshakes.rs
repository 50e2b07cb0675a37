//! TLS handshakes: a bounded number of steps in each turn, charged to their tenants.

use crate::base::arena::ConnectionId;
use crate::config::limits;
use crate::engine::event::Event;
use crate::net::connection::tls::Handshake;
use crate::net::connection::{CloseReason, Phase, SharedConnection};
use crate::reactor::Reactor;

/// The most handshake steps of one tenant in a turn: each may need a millisecond of CPU time.
pub(super) const HANDSHAKES_PER_TURN: usize = 4;

impl Reactor {
    /// Begins the handshake of a connection that starts with TLS; the peer sends first.
    pub(super) fn begin_handshake(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        if entry.shared.lock().phase() != Phase::Handshaking {
            return;
        }
        let Some(instance) = self.instances.get(entry.instance) else { return };
        entry.begun = now;
        entry.handshake_deadline = instance.plugin.config.limits.handshake_deadline;
        self.reconcile(id);
    }

    /// Continues a handshake that a plugin has begun. Its bytes may be there already, and a client has to send first.
    pub(super) fn begin_later_handshake(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        let Some(instance) = self.instances.get(entry.instance) else { return };
        entry.begun = now;
        entry.handshake_deadline = instance.plugin.config.limits.handshake_deadline;
        self.continue_handshake_later(id);
    }

    /// Puts a handshake on the agenda.
    pub(super) fn continue_handshake_later(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        if let Some(entry) = self.connections.get_mut(id)
            && !std::mem::replace(&mut entry.handshake_is_due, true)
        {
            self.agenda.handshakes.push(tenant, id);
        }
    }

    /// Does one step of a handshake.
    pub(super) fn continue_handshake(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let tenant = self.tenant_of(id);
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.handshake_is_due = false;
        let shared = entry.shared.clone();
        if entry.opening.is_some() {
            return self.read_header(id);
        }
        match self.charged(tenant, |_| shared.lock().continue_handshake(now)) {
            Handshake::Waits => self.reconcile(id),
            Handshake::GoesOn => {
                self.reconcile(id);
                self.continue_handshake_later(id);
            }
            Handshake::Asks => {
                self.reconcile(id);
                self.tell_of_tls(id, |connection| {
                    let chain = connection.lock().peer_certificates();
                    Event::VerifyPeer { connection: id, chain }
                });
            }
            Handshake::Done => {
                // Data behind the handshake may be in the session already, which the poll does not report.
                if let Some(entry) = self.connections.get_mut(id) {
                    entry.reading.found();
                    entry.accepted_at = entry.accepted_at.map(|_| now);
                }
                self.tell_of_tls(id, |_| Event::Secured(id));
                self.write(id);
            }
        }
    }

    /// Delivers an event of a handshake, if the plugin exports `tls-handler`.
    fn tell_of_tls(&mut self, id: ConnectionId, event: impl FnOnce(&SharedConnection) -> Event) {
        let Some(entry) = self.connections.get(id) else { return };
        let instance = entry.instance;
        let is_told =
            self.instances.get(instance).is_some_and(|it| it.plugin.exports.has_tls_handler());
        if is_told {
            let event = event(&entry.shared);
            self.deliver(instance, event);
        }
    }

    /// Handles the plugin's verdict on a peer's certificate.
    pub(super) fn peer_verified(&mut self, id: ConnectionId, is_taken: bool) {
        let Some(entry) = self.connections.get(id) else { return };
        entry.shared.lock().peer_verified(is_taken);
        self.reconcile(id);
        self.continue_handshake_later(id);
    }

    /// A handshake has exceeded its deadline.
    pub(super) fn handshake_is_late(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.handshake = None;
        let is_under_way = entry.shared.lock().phase() == Phase::Handshaking;
        if is_under_way {
            self.log_at_limit(id, &limits::HANDSHAKE_DEADLINE);
            if let Some(entry) = self.connections.get(id) {
                entry.shared.lock().handshake_is_late();
            }
            self.end_connection(id, CloseReason::Limit);
        }
    }
}
