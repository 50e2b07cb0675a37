//! What is done after the sockets: outgoing connections and processes begin, slow peers that caught up are told.

use crate::reactor::Reactor;
use crate::reactor::table::event::Event;
use crate::reactor::table::pending::Pending;
use crate::reactor::table::turn::{Connecting, PendingProgress, TurnPhase};

impl Reactor {
    pub(super) fn begin_pending(&self) -> TurnPhase {
        let left = self.agenda.pending.len();
        TurnPhase::Pending(PendingProgress { left, connecting: None })
    }

    /// Does one of the things that were asked for before this phase.
    pub(super) fn run_pending(&mut self, mut progress: PendingProgress) -> TurnPhase {
        if let Some(connecting) = progress.connecting.take() {
            self.begin_connecting(connecting);
        }
        let next = if progress.left == 0 { None } else { self.agenda.pending.pop_front() };
        let Some(next) = next else { return self.begin_ticks() };
        progress.left -= 1;
        match next {
            Pending::Start(instance) => self.agenda.runnable.push_back(instance),
            Pending::Connect { permit, lookup, instance, target, token } => {
                progress.connecting = self
                    .connect(permit, instance, &target, token)
                    .map(|connection| Connecting { connection, target, lookup });
            }
            Pending::Spawn(birth) => self.spawn(birth),
            Pending::Drained(id) => {
                if let Some(entry) = self.connections.get(id) {
                    self.deliver(entry.instance, Event::Drained(id));
                }
            }
        }
        TurnPhase::Pending(progress)
    }
}
