//! The phase of the ticks, and the beginning of a turn.

use std::time::Duration;

use crate::engine::event::Event;
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::{Reactor, UNITS_PER_PHASE};

impl Reactor {
    /// Reads the clock, and resets the shares of the tenants.
    pub(super) fn begin_turn(&mut self) -> TurnPhase {
        let before = self.setup.env.clock.turn();
        let now = self.setup.env.clock.begin_turn();
        self.measure_turn(now.since(before));
        self.fair_share.begin_turn(now);
        self.turn += 1;
        self.units = 0;
        #[cfg(test)]
        {
            self.part_units = Default::default();
        }
        self.timers.begin_phase(now, UNITS_PER_PHASE);
        TurnPhase::Timers
    }

    /// If measurements are kept, notes the work of the last turn since its poll returned, and the sizes of the tables.
    fn measure_turn(&self, worked: Duration) {
        let Some(stats) = self.setup.env.host.loops.get(self.setup.index) else { return };
        if 0 < self.turn {
            stats.turns.note(worked);
        }
        stats.connections.set(self.connections.len() as u64);
        stats.instances.set(self.instances.len() as u64);
        stats.runnable.set(self.agenda.runnable.len() as u64);
    }

    pub(super) fn begin_ticks(&mut self) -> TurnPhase {
        if self.stopping.has_ended_guests() {
            self.agenda.ticks.clear();
        }
        if !self.agenda.ticks.begin_phase(UNITS_PER_PHASE) {
            return self.begin_draining_phase();
        }
        TurnPhase::Ticks
    }

    /// Delivers one tick.
    pub(super) fn run_tick(&mut self) -> TurnPhase {
        let (ticks, fair_share) = (&mut self.agenda.ticks, &mut self.fair_share);
        let due = ticks.next(|tenant| fair_share.passes_over(TurnPart::Ticks, tenant));
        let Some((_, (instance, id))) = due else { return self.begin_draining_phase() };
        self.deliver(instance, Event::Tick(id));
        TurnPhase::Ticks
    }
}
