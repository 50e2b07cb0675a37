//! The phase of the ticks, and the turn's begin.

use crate::engine::event::Event;
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{Reactor, UNITS_PER_PHASE};

impl Reactor {
    /// Reads the clock; what each tenant has of the turn begins anew.
    pub(super) fn begin_turn(&mut self) -> TurnPhase {
        let now = self.setup.env.clock.begin_turn();
        self.fair_share.begin_turn(now);
        self.turn += 1;
        self.units = 0;
        self.timers.begin_phase(now, UNITS_PER_PHASE);
        TurnPhase::Timers
    }

    pub(super) fn begin_ticks(&mut self) -> TurnPhase {
        if self.stopping.has_ended_guests() {
            self.agenda.ticks.clear();
        }
        self.agenda.ticks.begin_phase(UNITS_PER_PHASE);
        TurnPhase::Ticks
    }

    /// Has one guest have its tick.
    pub(super) fn run_tick(&mut self) -> TurnPhase {
        let (ticks, fair_share) = (&mut self.agenda.ticks, &mut self.fair_share);
        let due = ticks.next(|tenant| fair_share.passes_over(TurnPart::Ticks, tenant));
        let Some((_, (instance, id))) = due else { return self.begin_draining_phase() };
        self.deliver(instance, Event::Tick(id));
        TurnPhase::Ticks
    }
}
