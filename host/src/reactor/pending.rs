//! The phase after the sockets: outgoing connections and processes begin, and `drained` is delivered.

use crate::engine::event::Event;
use crate::reactor::Reactor;
use crate::reactor::table::pending::Pending;
use crate::reactor::table::turn::{Connecting, PendingProgress, TurnPhase};
use crate::reactor::table::turn_part::TurnPart;

/// The most pending actions of one tenant in a turn: each costs a socket or a sandbox.
const PENDING_PER_TURN: usize = 64;

impl Reactor {
    pub(super) fn begin_pending(&mut self) -> TurnPhase {
        if !self.agenda.pending.begin_phase(PENDING_PER_TURN) {
            return self.begin_ticks();
        }
        TurnPhase::Pending(PendingProgress { connecting: None })
    }

    /// Does one pending action that was queued before this phase.
    pub(super) fn run_pending(&mut self, mut progress: PendingProgress) -> TurnPhase {
        if let Some(connecting) = progress.connecting.take() {
            let tenant = self.tenant_of(connecting.connection);
            self.charged(tenant, |reactor| reactor.begin_connecting(connecting));
        }
        let (pending, fair_share) = (&mut self.agenda.pending, &mut self.fair_share);
        let next = pending.next(|tenant| fair_share.passes_over(TurnPart::Pending, tenant));
        let Some((tenant, next)) = next else { return self.begin_ticks() };
        progress.connecting = self.charged(tenant, |reactor| reactor.begin_one(next));
        TurnPhase::Pending(progress)
    }

    fn begin_one(&mut self, pending: Pending) -> Option<Connecting> {
        match pending {
            Pending::Start(instance) => self.agenda.runnable.push_back(instance),
            Pending::Connect { admission, lookup, instance, target, token, local } => {
                let connection = self.connect(admission, instance, &target, token)?;
                if let Some(entry) = self.connections.get_mut(connection) {
                    entry.attempts.begin_at(local);
                }
                return Some(Connecting { connection, target, lookup });
            }
            Pending::Spawn(birth) => self.spawn(birth),
            Pending::Drained(id) => {
                if let Some(entry) = self.connections.get(id) {
                    self.deliver(entry.instance, Event::Drained(id));
                }
            }
        }
        None
    }
}
