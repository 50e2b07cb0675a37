//! Programs and other shared instances, and starting failed ones again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::clock::Moment;
use crate::mail::message::Message;
use crate::reactor::table::leaving::KeptState;

/// By plugin: its shared instance, and how often that has failed.
pub(in crate::reactor) struct Programs {
    shared: Vec<Option<InstanceId>>,
    failures: Vec<Failures>,
    /// Plugins whose program is to be started again when they leave quarantine.
    quarantined: Vec<usize>,
    /// By plugin: who is restoring the state of the previous version.
    restoring: Vec<Option<Restoring>>,
    /// By plugin: the last state that was handed over, while a rollback is possible.
    kept: Vec<Option<KeptState>>,
    /// Whether one was ever started here.
    pub(in crate::reactor) had_any: bool,
}

/// An instance that is restoring the state of the previous version.
struct Restoring {
    instance: InstanceId,
    /// Kept for a later version, in case the instance ends before it has restored it.
    state: Arc<Message>,
}

impl Programs {
    /// No instances, for this number of plugins.
    pub(in crate::reactor) fn new(plugins: usize) -> Programs {
        Programs {
            shared: vec![None; plugins],
            failures: vec![Failures::default(); plugins],
            quarantined: Vec::new(),
            restoring: (0..plugins).map(|_| None).collect(),
            kept: (0..plugins).map(|_| None).collect(),
            had_any: false,
        }
    }

    /// Makes room for at least `plugins` plugins.
    pub(in crate::reactor) fn grow(&mut self, plugins: usize) {
        let plugins = plugins.max(self.shared.len());
        self.shared.resize(plugins, None);
        self.failures.resize(plugins, Failures::default());
        self.restoring.resize_with(plugins, || None);
        self.kept.resize_with(plugins, || None);
    }

    /// Whether an instance is restoring the state of the previous version.
    pub(in crate::reactor) fn is_restoring(&self, plugin: usize) -> bool {
        self.restoring.get(plugin).is_some_and(Option::is_some)
    }

    pub(in crate::reactor) fn begin_restoring(
        &mut self,
        plugin: usize,
        instance: InstanceId,
        state: Arc<Message>,
    ) {
        self.restoring[plugin] = Some(Restoring { instance, state });
    }

    /// An instance has restored its state, or never will. Returns the state; none if it had none to restore.
    pub(in crate::reactor) fn end_restoring(
        &mut self,
        plugin: usize,
        id: InstanceId,
    ) -> Option<Arc<Message>> {
        self.restoring[plugin].take_if(|it| it.instance == id).map(|it| it.state)
    }

    /// Takes out the state that was handed over last.
    pub(in crate::reactor) fn take_kept(&mut self, plugin: usize) -> Option<KeptState> {
        self.kept[plugin].take()
    }

    pub(in crate::reactor) fn has_kept(&self, plugin: usize) -> bool {
        self.kept.get(plugin).is_some_and(Option::is_some)
    }

    pub(in crate::reactor) fn keep(&mut self, plugin: usize, kept: KeptState) {
        self.kept[plugin] = Some(kept);
    }

    /// Notes that a version has taken its state.
    pub(in crate::reactor) fn kept_is_taken(&mut self, plugin: usize, generation: u32) {
        let kept = self.kept[plugin].as_mut();
        if let Some(kept) = kept.filter(|kept| kept.generation == generation) {
            kept.is_taken = true;
        }
    }

    /// Drops the state that was handed over to this version.
    pub(in crate::reactor) fn forget_kept(&mut self, plugin: usize, generation: u32) {
        let kept = &mut self.kept[plugin];
        if kept.as_ref().is_some_and(|kept| kept.generation == generation) {
            *kept = None;
        }
    }

    /// The shared instance of a plugin, if it has one.
    pub(in crate::reactor) fn shared(&self, plugin: usize) -> Option<InstanceId> {
        self.shared.get(plugin).copied().flatten()
    }

    pub(in crate::reactor) fn share(&mut self, plugin: usize, id: InstanceId) {
        self.shared[plugin] = Some(id);
    }

    /// Removes an instance that has ended, if it was shared.
    pub(in crate::reactor) fn ended(&mut self, plugin: usize, id: InstanceId) {
        let shared = &mut self.shared[plugin];
        if *shared == Some(id) {
            *shared = None;
        }
    }

    /// Resets the failures of a plugin: another version is served.
    pub(in crate::reactor) fn renew(&mut self, plugin: usize) {
        self.failures[plugin] = Failures::default();
    }

    /// Counts a failure; returns how long to wait before the next start.
    pub(in crate::reactor) fn failed(&mut self, plugin: usize, now: Moment) -> Duration {
        spread(self.failures[plugin].wait(now), chance())
    }

    /// Notes that its program is to be started again when the plugin leaves quarantine.
    pub(in crate::reactor) fn wait_in_quarantine(&mut self, plugin: usize) {
        self.quarantined.push(plugin);
    }

    /// Takes the plugins that waited in quarantine, and resets their failures.
    pub(in crate::reactor) fn leave_quarantine(&mut self) -> Vec<usize> {
        let plugins = std::mem::take(&mut self.quarantined);
        for plugin in &plugins {
            self.failures[*plugin] = Failures::default();
        }
        plugins
    }

    pub(in crate::reactor) fn any_in_quarantine(&self) -> bool {
        !self.quarantined.is_empty()
    }
}

/// The first wait before a failed program is started again; it doubles with each failure.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// The most doublings: about a minute.
const DOUBLINGS_MAX: u32 = 6;

/// The recent failures of a program.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Moment,
}

impl Failures {
    /// Counts a failure at `now`; returns how long to wait. A program that ran well for longer than the longest wait
    /// starts with the first wait again.
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

/// Jitter: a wait is extended by a random part of itself, at most 1/`JITTER`, so that hosts that failed together do not start
/// again together.
const JITTER: u32 = 4;

/// A wait with jitter.
fn spread(wait: Duration, chance: u64) -> Duration {
    let thousandths = u32::try_from(chance % 1000).unwrap_or(0);
    wait + wait / JITTER / 1000 * thousandths
}

/// A random number. The seed of the standard library's maps is random enough for jitter.
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
