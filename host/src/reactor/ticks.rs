//! The phase of the ticks, and the turn's begin.

use crate::reactor::Reactor;
use crate::reactor::table::event::Event;
use crate::reactor::table::turn::TurnPhase;
use crate::timer::Pass;

impl Reactor {
    /// Reads the clock; what each tenant has of the turn begins anew.
    pub(super) fn begin_turn(&mut self) -> Pass {
        self.setup.env.clock.begin_turn();
        self.fair_share.begin_turn();
        self.timers.begin_pass(self.setup.env.clock.turn())
    }

    pub(super) fn begin_ticks(&mut self) -> TurnPhase {
        if self.stopping.has_begun() {
            self.agenda.ticks.clear();
        }
        TurnPhase::Ticks { left: self.agenda.ticks.len() }
    }

    /// Has one guest have its tick.
    pub(super) fn run_tick(&mut self, left: usize) -> TurnPhase {
        let due = if left == 0 { None } else { self.agenda.ticks.pop_front() };
        let Some((instance, id)) = due else { return self.begin_unbinds() };
        self.deliver(instance, Event::Tick(id));
        TurnPhase::Ticks { left: left - 1 }
    }
}
