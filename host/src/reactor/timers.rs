//! What the deadlines of a reactor are for.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::instances::Unavailable;
use super::{ConnectionId, InstanceId, Reactor};
use crate::clock::Moment;
use crate::connection::{CloseReason, Phase};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A timer of a guest.
    Guest(InstanceId, u32),
    /// A call into a guest has taken too long.
    Overdue(InstanceId),
    /// A connection may have been idle for too long.
    Inactivity(ConnectionId),
    /// A connection has not been made in time.
    PendingConnect(ConnectionId),
    /// A close after writing has waited long enough.
    CloseDeadline(ConnectionId),
    /// A listener that could not accept tries again.
    Accept(usize),
    /// A program that failed is started again.
    Restart(usize),
    /// The host has waited for output long enough.
    StopDeadline,
}

/// The wait before a failed program is started again; doubled with each failure.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// The doubling ends here: about a minute.
const DOUBLINGS_MAX: u32 = 6;

/// How often a program has failed of late.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failures {
    count: u32,
    last: Moment,
}

impl Failures {
    /// Counts a failure at `now` and tells how long to wait. One that ran well for longer than the longest
    /// wait begins anew.
    fn wait(&mut self, now: Moment) -> Duration {
        let longest = RESTART_AFTER * (1 << DOUBLINGS_MAX);
        if longest * 2 < now.since(self.last) {
            self.count = 0;
        }
        let after = RESTART_AFTER * (1 << self.count.min(DOUBLINGS_MAX));
        *self = Failures { count: self.count.saturating_add(1), last: now };
        after
    }
}

impl Reactor {
    /// Runs every deadline that is due in this turn.
    pub(super) fn run_timers(&mut self) {
        let pass = self.timers.begin_pass(self.setup.home.clock.turn());
        while let Some(purpose) = self.timers.pop_due(pass) {
            match purpose {
                // A stopping reactor finishes its turn and begins nothing more.
                Purpose::Guest(..) if self.stop.has_begun() => {}
                Purpose::Guest(instance, timer) => self.guest_timer_due(instance, timer),
                Purpose::Overdue(instance) => self.overdue(instance),
                Purpose::Inactivity(id) => self.check_inactivity(id),
                Purpose::PendingConnect(id) => self.end_connection(id, CloseReason::ConnectTimeout),
                Purpose::CloseDeadline(id) => self.close_deadline_passed(id),
                Purpose::Accept(place) => self.try_again(place),
                Purpose::Restart(plugin) => self.restart(plugin),
                Purpose::StopDeadline => self.stop.deadline_passed(),
            }
        }
    }

    fn check_inactivity(&mut self, id: ConnectionId) {
        let now = self.setup.home.clock.turn();
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.inactivity = None;
        let mut connection = entry.shared.lock();
        let timeout = connection.comm_inactivity_timeout;
        if !timeout.is_zero() && timeout <= now.since(connection.last_activity()) {
            connection.end(CloseReason::InactivityTimeout);
        }
        drop(connection);
        self.settle(id);
    }

    fn close_deadline_passed(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        let phase = entry.shared.lock().phase();
        match phase {
            Phase::Finishing(CloseReason::Stopped) => self.end_connection(id, CloseReason::Stopped),
            Phase::Finishing(_) => {
                self.tell_close_deadline(id);
                self.end_connection(id, CloseReason::Limit);
            }
            _ => {}
        }
    }

    fn tell_close_deadline(&self, id: ConnectionId) {
        let Some(entry) = self.connections.get(id) else { return };
        let Some(instance) = self.instances.get(entry.instance) else { return };
        let value = format!("{:?}", self.setup.close_deadline);
        let (now, subject) =
            (self.setup.home.clock.now(), || self.subject(entry.instance, Some(id)));
        instance.plugin.at_limit(now, "close_deadline", &value, subject);
    }

    /// Ends a connection for a reason of the host's.
    pub(super) fn end_connection(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(entry) = self.connections.get_mut(id) else { return };
        entry.shared.lock().end(reason);
        self.settle(id);
    }

    /// Starts a failed program again after a while, longer each time. One that serves a listener is started
    /// by its next connection instead.
    pub(super) fn restart_later(&mut self, plugin: usize) {
        let served = self.gates.iter().any(|gate| gate.plugin() == plugin);
        if served || self.stop.has_begun() {
            return;
        }
        let now = self.setup.home.clock.now();
        if self.setup.home.hub.plugins[plugin].evidence.is_parked() {
            self.parked.push(plugin);
            return;
        }
        let after = spread(self.failures[plugin].wait(now), chance());
        self.timers.insert(now + after, Purpose::Restart(plugin));
        let name = self.setup.home.hub.plugins[plugin].name();
        tracing::warn!(plugin = name, after_ms = after.as_millis(), "starting again later");
    }

    fn restart(&mut self, plugin: usize) {
        if self.stop.has_begun() {
            return;
        }
        match self.instance_for(plugin) {
            Err(Unavailable::NoRoom(_)) => self.restart_later(plugin),
            Err(Unavailable::Parked) => self.parked.push(plugin),
            // One that ends in its first callbacks has arranged for the next attempt itself.
            Ok(_) | Err(Unavailable::Ended) => {}
        }
    }

    /// Plugins that were parked are not any more: listeners that waited go on, programs are started again.
    pub(super) fn unpark(&mut self) {
        self.wake_gates();
        for plugin in std::mem::take(&mut self.parked) {
            self.failures[plugin] = Failures::default();
            self.restart(plugin);
        }
    }
}

/// So much longer, at most, does a wait become by chance: hosts that failed together do not come back together.
const JITTER: u32 = 4;

/// A wait and up to a quarter of it.
fn spread(wait: Duration, chance: u64) -> Duration {
    let thousandths = u32::try_from(chance % 1000).unwrap_or(0);
    wait + wait / JITTER / 1000 * thousandths
}

/// Some number. What the standard library seeds its maps with is random enough for that.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_is_forgotten() {
        let at = |seconds| Moment::from_start(Duration::from_secs(seconds));
        let mut failures = Failures::default();
        let waits: Vec<u64> = (0..8).map(|time| failures.wait(at(time)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(failures.wait(at(1000)).as_secs(), 1);
    }

    #[test]
    fn a_wait_becomes_longer_by_less_than_a_quarter() {
        let second = Duration::from_secs(1);
        assert_eq!(spread(second, 0), second);
        assert_eq!(spread(second, 1500), Duration::from_millis(1125));
        assert!(spread(second, 999) < Duration::from_millis(1250));
    }
}
