//! The end of a reactor: hooks, drain, last words.

use std::sync::atomic::Ordering;

use crate::engine::event::Event;
use crate::mail::post::Notice;
use crate::net::connection::CloseReason;
use crate::reactor::Reactor;
use crate::reactor::exit::Exit;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::stop::Stop;
use crate::reactor::table::turn::TurnPhase;

/// How often what is left is cut: what was running, and what hangs in what it was told then.
const CUTS: u32 = 2;

impl Reactor {
    /// Takes the steps that can be taken.
    pub(super) fn advance_stop(&mut self) -> TurnPhase {
        let before = self.stopping.stop;
        match before {
            Stop::No => self.notice_nothing_left(),
            Stop::Wanted => self.begin_stop(),
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
            // Each connection that this has ended is told at once, and the next step may be possible.
            _ => self.begin_unbinds(),
        }
    }

    /// Whether the next step of the stop does not have to wait for anything.
    pub(super) fn stop_can_go_on(&self) -> bool {
        match self.stopping.stop {
            Stop::No => false,
            Stop::Wanted | Stop::Cutting | Stop::Done => true,
            Stop::Hooks | Stop::LastWords => self.all_quiet(),
            Stop::Draining => {
                self.connections.is_empty() && self.agenda.pending.is_empty() && self.all_quiet()
            }
        }
    }

    fn all_quiet(&self) -> bool {
        self.instances.iter().all(|(_, instance)| instance.is_quiet())
    }

    /// A host whose programs have all failed and that serves nothing has no reason to go on.
    fn notice_nothing_left(&mut self) {
        let nothing =
            self.acceptors.is_empty() && self.instances.is_empty() && self.timers.is_empty();
        let nothing = nothing && !self.programs.any_in_quarantine();
        if self.programs.had_any && nothing && self.agenda.pending.is_empty() {
            tracing::error!("every program has failed and nothing is served: leaving");
            self.stopping.exit = Exit::NothingLeft;
            self.stop_everywhere();
        }
    }

    /// Stops this reactor and the others.
    pub(super) fn stop_everywhere(&mut self) {
        self.stopping.stop.want();
        for peer in &self.stopping.peers {
            peer.tell(Notice::Stop);
        }
    }

    fn begin_stop(&mut self) {
        self.stopping.stop = Stop::Hooks;
        tracing::info!(
            reactor = self.setup.index,
            connections = self.connections.len(),
            "stopping"
        );
        self.acceptors.close(self.poll.registry());
        self.agenda.ticks.clear();
        self.setup.env.stopping.store(true, Ordering::Relaxed);
        self.stopping.begin(self.setup.env.clock.now(), self.setup.stop_deadline);
        self.set_stop_deadline();
        self.deliver_to_programs(|| Event::Stopping);
    }

    /// Whatever the stop waits for now has until then. All of it together has the `stop_deadline`.
    fn set_stop_deadline(&mut self) {
        let now = self.setup.env.clock.now();
        let deadline = now + self.stopping.left(now, self.setup.stop_deadline);
        let key = self.timers.insert(Owner::Host, deadline, Purpose::StopDeadline);
        if let Some(earlier) = self.stopping.deadline.replace(key) {
            self.timers.cancel(earlier);
        }
    }

    fn deliver_to_programs(&mut self, event: impl Fn() -> Event) {
        let programs: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.has_started())
            .map(|(id, _)| id)
            .collect();
        for id in programs {
            self.deliver(id, event());
        }
    }

    fn begin_draining(&mut self) {
        self.stopping.stop = Stop::Draining;
        let all: Vec<_> = self.connections.iter().map(|(id, _)| id).collect();
        for id in all {
            if let Some(entry) = self.connections.get(id) {
                entry.shared.lock().stop();
            }
            self.reconcile(id);
        }
    }

    /// Nobody is waited for any longer.
    fn cut(&mut self) {
        self.stopping.cuts += 1;
        if CUTS < self.stopping.cuts {
            // What still runs ends with its thread.
            self.stopping.stop = Stop::Done;
            return;
        }
        self.stopping.stop = Stop::Draining;
        // For those that hang in the unbind they are told now: the next cut ends them.
        self.set_stop_deadline();
        let busy: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, instance)| !instance.is_quiet())
            .map(|(id, instance)| (id, instance.plugin.clone()))
            .collect();
        for (id, plugin) in busy {
            plugin.tell(self.setup.env.clock.now(), || {
                let (plugin, tenant) = (plugin.name(), &plugin.config.tenant);
                tracing::warn!(plugin, tenant, "still running at the stop deadline: ended");
            });
            self.end_instance(id);
        }
        let late: Vec<_> = self.connections.iter().map(|(id, _)| id).collect();
        if !late.is_empty() {
            tracing::warn!(connections = late.len(), "not drained at the stop deadline: closed");
        }
        for id in late {
            self.end_connection(id, CloseReason::Stopped);
        }
    }

    fn say_last_words(&mut self) {
        self.stopping.stop = Stop::LastWords;
        self.set_stop_deadline();
        self.deliver_to_programs(|| Event::Stopped);
    }
}
