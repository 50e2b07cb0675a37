//! The stop of a reactor: hooks, drain, `stopped`.

use std::sync::atomic::Ordering;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::engine::event::Event;
use crate::mail::post::{Notice, StopManner};
use crate::plugin::readiness::Readiness;
use crate::reactor::exit::Exit;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::drain::DrainCause;
use crate::reactor::table::instance::Instance;
use crate::reactor::table::stop::{DrainedKind, Stop, Sweep, SweepPurpose};
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::{Reactor, UNITS_PER_PHASE};

/// The number of cuts: one for running work, one for guests that hang in the callbacks of the first.
const CUTS: u32 = 2;

impl Reactor {
    /// Takes the steps that are possible now.
    pub(super) fn advance_stop(&mut self) -> TurnPhase {
        let before = self.stopping.stop;
        match before {
            Stop::No => self.notice_nothing_left(),
            Stop::Wanted => self.begin_stop(),
            Stop::Draining if !self.stop_can_go_on() => self.notice_none_accepted(),
            _ if !self.stop_can_go_on() => {}
            Stop::Hooks => self.begin_draining(),
            Stop::Draining => self.say_last_words(),
            Stop::Cutting => self.cut(),
            Stop::LastWords => self.stopping.stop = Stop::Done,
            Stop::Done => {}
        }
        match self.stopping.stop {
            Stop::Done => TurnPhase::Over { goes_on: false },
            after if after == before => TurnPhase::Over { goes_on: true },
            // Deliver the ends that this has caused; the next step may be possible after that.
            _ => self.begin_draining_phase(),
        }
    }

    /// Whether the next step of the stop is possible now.
    pub(super) fn stop_can_go_on(&self) -> bool {
        match self.stopping.stop {
            Stop::No => false,
            Stop::Wanted | Stop::Cutting | Stop::Done => true,
            // When draining, only the hooks of programs are waited for, not handlers of connections.
            Stop::Hooks if self.stopping.drains() => {
                self.acceptors.is_empty() && self.have_heard_of_the_stop()
            }
            Stop::Hooks | Stop::LastWords => self.all_quiet(),
            Stop::Draining => {
                self.stopping.drains_the_last()
                    && self.stopping.sweep.is_none()
                    && self.connections.is_empty()
                    && self.agenda.pending.is_empty()
                    && self.agenda.ends.is_empty()
                    && self.all_quiet()
            }
        }
    }

    fn all_quiet(&self) -> bool {
        self.instances.iter().all(|(_, instance)| instance.is_quiet())
    }

    /// Whether every program has returned from `stopping`.
    fn have_heard_of_the_stop(&self) -> bool {
        let mut told = self.stopping.told.iter();
        told.all(|id| self.instances.get(*id).is_none_or(Instance::is_quiet))
    }

    /// Stops a host that has no listener and whose programs have all failed.
    fn notice_nothing_left(&mut self) {
        let nothing =
            self.acceptors.is_empty() && self.instances.is_empty() && self.timers.is_empty();
        let nothing = nothing && !self.programs.any_in_quarantine();
        if self.programs.had_any && nothing && self.agenda.pending.is_empty() {
            tracing::error!("every program has failed and nothing is served: leaving");
            self.stopping.exit = Exit::NothingLeft;
            self.stop_everywhere(StopManner::Close);
        }
    }

    /// Stops this reactor and the others.
    pub(super) fn stop_everywhere(&mut self, manner: StopManner) {
        self.stopping.want(manner);
        for peer in &self.stopping.peers {
            peer.tell(Notice::Stop(manner));
        }
    }

    fn begin_stop(&mut self) {
        self.stopping.stop = Stop::Hooks;
        self.setup.env.host.readiness.reach(Readiness::Stopping);
        tracing::info!(
            reactor = self.setup.index,
            connections = self.connections.len(),
            "stopping"
        );
        match self.stopping.manner {
            // Backlogs are still accepted; the last accept closes the listener.
            StopManner::Drain => self.accept_what_has_come(),
            StopManner::Close | StopManner::HandOver => self.acceptors.close(self.poll.registry()),
        }
        self.setup.env.stopping.store(true, Ordering::Relaxed);
        if !self.stopping.drains() {
            self.agenda.ticks.clear();
            self.setup.env.ending.store(true, Ordering::Relaxed);
        }
        self.stopping.begin(self.setup.env.clock.now(), self.setup.stop_deadline);
        self.set_stop_deadline();
        // Singletons first: they leave by themselves, without waiting for the others.
        let mut told = self.leave_all_terms();
        told.extend(self.deliver_to_programs(|| Event::Stopping));
        self.stopping.told = told;
    }

    /// Sets the deadline of the current step; all steps together have the `stop_deadline`.
    fn set_stop_deadline(&mut self) {
        let now = self.setup.env.clock.now();
        let deadline = now + self.stopping.left(now, self.setup.stop_deadline);
        let key = self.timers.insert(Owner::Host, deadline, Purpose::StopDeadline);
        if let Some(earlier) = self.stopping.deadline.replace(key) {
            self.timers.cancel(earlier);
        }
    }

    fn deliver_to_programs(&mut self, event: impl Fn() -> Event) -> Vec<InstanceId> {
        let programs: Vec<_> = self
            .instances
            .iter()
            .filter(|(id, instance)| instance.is_program() && !self.is_leaving(*id))
            .map(|(id, _)| id)
            .collect();
        for id in &programs {
            self.deliver(*id, event());
        }
        programs
    }

    fn begin_draining(&mut self) {
        self.stopping.stop = Stop::Draining;
        let purpose = if self.stopping.drains() {
            SweepPurpose::Drain(DrainedKind::Accepted)
        } else {
            SweepPurpose::Close
        };
        self.stopping.sweep = Some(Sweep::new(purpose));
    }

    /// When no reactor has an accepted connection left, begins to drain outgoing connections, on which the accepted ones could
    /// have depended.
    fn notice_none_accepted(&mut self) {
        let goes_on = self.stopping.sweep.is_some() || 0 < self.accepted;
        if goes_on || self.stopping.drains_the_last() {
            return;
        }
        if !std::mem::replace(&mut self.stopping.has_told, true) {
            for peer in &self.stopping.peers {
                peer.tell(Notice::NoneAccepted);
            }
        }
        if self.stopping.none_is_accepted() {
            self.stopping.drained = DrainedKind::AskedFor;
            self.setup.env.ending.store(true, Ordering::Relaxed);
            self.stopping.sweep = Some(Sweep::new(SweepPurpose::Drain(DrainedKind::AskedFor)));
        }
    }

    /// Drains a connection that a plugin has opened while outgoing connections are being drained.
    pub(super) fn drain_what_comes_late(&mut self, id: ConnectionId) {
        match self.stopping.stop {
            Stop::Draining if 0 < self.stopping.cuts => self.cut_connection(id),
            Stop::Draining if !self.stopping.drains() => self.close_drained(id),
            Stop::Draining if self.stopping.drained == DrainedKind::AskedFor => {
                self.drain_connection(id, DrainCause::Stop, self.stopping.drained_until);
            }
            _ => self.drain_if_it_retires(id),
        }
    }

    /// Continues the sweep, if there is one: whatever it finds is put on the agenda of its tenant.
    pub(super) fn sweep(&mut self) {
        let Some(mut sweep) = self.stopping.sweep.take() else { return };
        if let Some(slot) = sweep.instance {
            let (found, next) = self.instances.some_from(slot, UNITS_PER_PHASE);
            found.into_iter().for_each(|id| self.end_if_it_runs(id));
            sweep.instance = next;
        }
        if let Some(slot) = sweep.connection {
            let (found, next) = self.connections.some_from(slot, UNITS_PER_PHASE);
            found.into_iter().for_each(|id| self.sweep_connection(id, sweep.purpose));
            sweep.connection = next;
        }
        let is_over = sweep.instance.is_none() && sweep.connection.is_none();
        self.stopping.sweep = (!is_over).then_some(sweep);
    }

    fn sweep_connection(&mut self, id: ConnectionId, purpose: SweepPurpose) {
        let Some(entry) = self.connections.get(id) else { return };
        let kind = if entry.is_asked_for { DrainedKind::AskedFor } else { DrainedKind::Accepted };
        match purpose {
            SweepPurpose::Drain(wanted) if wanted != kind => {}
            SweepPurpose::Drain(_) => {
                self.drain_connection(id, DrainCause::Stop, self.stopping.drained_until);
            }
            SweepPurpose::Close => self.close_drained(id),
            SweepPurpose::Cut => self.cut_connection(id),
        }
    }

    /// Has an instance that is in a call end in the last phase of the turn.
    fn end_if_it_runs(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id).filter(|it| !it.is_quiet()) else { return };
        if instance.is_ending {
            return;
        }
        let plugin = instance.plugin.clone();
        // It is never entered again.
        instance.is_ending = true;
        self.agenda.ends.push(plugin.tenant.index, id);
        plugin.tell(self.setup.env.clock.now(), || {
            let (plugin, tenant) = (plugin.name(), &plugin.config.tenant);
            tracing::warn!(plugin, tenant, "still running at the stop deadline: ended");
        });
    }

    /// The deadline of the step has passed: cuts what is left.
    fn cut(&mut self) {
        self.stopping.cuts += 1;
        if CUTS < self.stopping.cuts {
            // Calls that still run end with their threads.
            self.stopping.stop = Stop::Done;
            return;
        }
        self.stopping.stop = Stop::Draining;
        self.acceptors.close(self.poll.registry());
        self.agenda.ticks.clear();
        self.setup.env.ending.store(true, Ordering::Relaxed);
        // For guests that hang in the `unbind` that follows: the next cut ends them.
        self.set_stop_deadline();
        if !self.connections.is_empty() {
            let connections = self.connections.len();
            tracing::warn!(connections, "not drained at the stop deadline: closed");
        }
        self.stopping.sweep = Some(Sweep::new(SweepPurpose::Cut));
    }

    fn say_last_words(&mut self) {
        self.stopping.stop = Stop::LastWords;
        self.set_stop_deadline();
        self.agenda.ticks.clear();
        self.setup.env.ending.store(true, Ordering::Relaxed);
        self.stopping.told = self.deliver_to_programs(|| Event::Stopped);
    }
}
