//! TLS handshakes: a bounded number of steps in each turn, which their tenants pay for.

use crate::base::arena::ConnectionId;
use crate::config::limits;
use crate::net::connection::tls::Handshake;
use crate::net::connection::{CloseReason, Phase};
use crate::reactor::Reactor;

/// Steps that handshakes of one tenant take in one turn: each may be a millisecond of cryptography.
pub(super) const HANDSHAKES_PER_TURN: usize = 4;

impl Reactor {
    /// Has the handshake of a connection begin that has one before it; the peer speaks first.
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

    /// A handshake goes on in the next phase that does.
    pub(super) fn shake_later(&mut self, id: ConnectionId) {
        let tenant = self.tenant_of(id);
        if let Some(entry) = self.connections.get_mut(id)
            && !std::mem::replace(&mut entry.handshake_is_due, true)
        {
            self.agenda.handshakes.push(tenant, id);
        }
    }

    /// Goes on with a handshake: one step.
    pub(super) fn shake(&mut self, id: ConnectionId) {
        let now = self.setup.env.clock.turn();
        let tenant = self.tenant_of(id);
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.handshake_is_due = false;
        let shared = entry.shared.clone();
        if entry.opening.is_some() {
            return self.read_header(id);
        }
        match self.charged(tenant, |_| shared.lock().shake(now)) {
            Handshake::Waits => self.reconcile(id),
            Handshake::GoesOn => {
                self.reconcile(id);
                self.shake_later(id);
            }
            Handshake::Done => {
                // What came behind it is in the session already, and the poll says no more of it.
                if let Some(entry) = self.connections.get_mut(id) {
                    entry.reading.found();
                }
                self.write(id);
            }
        }
    }

    /// A handshake has taken longer than it may.
    pub(super) fn handshake_is_late(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.handshake = None;
        let is_under_way = entry.shared.lock().phase() == Phase::Handshaking;
        if is_under_way {
            self.log_at_limit(id, &limits::HANDSHAKE_DEADLINE);
            self.end_connection(id, CloseReason::Limit);
        }
    }
}
