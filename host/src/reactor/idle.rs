//! Whether the loop is idle, for tests that move its clock.

use crate::clock::Moment;
use crate::reactor::Reactor;
use crate::reactor::table::instance::InstanceState;

impl Reactor {
    /// Whether the last turn found nothing to do, and nothing is left for the next one at this time.
    pub(crate) fn is_idle(&self) -> bool {
        let is_due = self.next_deadline().is_some_and(|at| at <= self.setup.env.clock.now());
        let is_away = |state: &InstanceState| matches!(state, InstanceState::Away(_));
        self.events.was_silent()
            && !is_due
            && !self.has_something_to_do()
            && !self.instances.iter().any(|(_, instance)| is_away(&instance.state))
    }

    /// The next deadline of a timer or of the loop itself.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.timers.next_deadline()
    }
}
