//! Programs that run on one host of the cluster at a time: each runs in a term, and never beyond it.
//!
//! A term that is not renewed ends by this reactor's own clock. Whatever woke the loop, a program whose term is over is ended
//! before it gets its next event.

use std::sync::Arc;

use crate::base::arena::InstanceId;
use crate::engine::event::Event;
use crate::mail::message::Message;
use crate::plugin::Plugin;
use crate::quota::term::{Term, TermEnd};
use crate::reactor::Reactor;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::instance::Unavailable;
use crate::reactor::table::leaving::{Leaving, Overstay, SaveStep};

impl Reactor {
    /// Handles a term that begins or has ended.
    pub(super) fn heard_of_term(&mut self, term: Arc<Term>) {
        let number = term.fencing;
        if self.terms.iter().any(|known| Arc::ptr_eq(known, &term)) {
            return self.look_at_term(number);
        }
        if term.how_it_ended().is_some() {
            return;
        }
        if self.stopping.has_begun() || self.singleton_of(&term).is_none() {
            return term.end(TermEnd::Unwanted);
        }
        self.timers.insert(Owner::Host, term.warns(), Purpose::Term(number));
        let place = term.place;
        self.terms.push(term);
        // A version that is retiring ends first.
        if !self.leaving.iter().any(|leaving| leaving.plugin == place) {
            self.go_on_with_term(place, None);
        }
    }

    /// The plugin of a term, if it is served as a singleton.
    fn singleton_of(&self, term: &Term) -> Option<Arc<Plugin>> {
        let plugin = self.plugin(term.place)?;
        let (config, program) = (&plugin.config, &term.program);
        let is_the_same = config.name == program.plugin && config.tenant == program.tenant;
        (config.singleton && is_the_same).then(|| plugin.clone())
    }

    fn term_of(&self, place: usize) -> Option<Arc<Term>> {
        self.terms.iter().find(|term| term.place == place).cloned()
    }

    /// Whether the current version at this place continues in a term of the previous one.
    pub(super) fn has_term_for(&self, place: usize) -> bool {
        self.term_of(place).is_some_and(|term| self.singleton_of(&term).is_some())
    }

    /// Begins the program of a plugin in its term, with the state of the previous version if there is any. Ends the term if the
    /// plugin is no singleton any more.
    pub(super) fn go_on_with_term(&mut self, place: usize, state: Option<Arc<Message>>) {
        let Some(term) = self.term_of(place) else { return };
        if self.programs.shared(place).is_some() && self.has_term_for(place) {
            return;
        }
        let is_over = term.lapses() <= self.setup.env.clock.now() || self.stopping.has_begun();
        match self.singleton_of(&term).filter(|_| !is_over) {
            Some(plugin) => self.begin_in_term(&term, &plugin, state),
            None => self.leave(&term),
        }
    }

    fn begin_in_term(&mut self, term: &Arc<Term>, plugin: &Plugin, state: Option<Arc<Message>>) {
        let place = plugin.index;
        let id = match self.new_instance(place, None) {
            Ok(id) => id,
            Err(why) => {
                if let Unavailable::NoRoom(full) = why {
                    plugin.at_limit(self.setup.env.clock.now(), full.bound(), || None);
                }
                return self.end_term(term, TermEnd::Failed);
            }
        };
        if let Some(instance) = self.instances.get_mut(id) {
            instance.run_in(term.clone());
        }
        let (name, tenant, fencing) = (plugin.name(), &plugin.config.tenant, term.fencing);
        tracing::info!(plugin = name, tenant, fencing, "a singleton begins here");
        self.programs.share(place, id);
        self.deliver(id, Event::Prepare);
        if let Some(state) = self.state_for(plugin, state) {
            self.programs.begin_restoring(place, id, state.clone());
            self.deliver(id, Event::Restore(state));
        }
        self.deliver(id, Event::Start);
    }

    /// A term may be about to lapse: tells its program to stop, or ends it.
    pub(super) fn look_at_term(&mut self, number: u64) {
        let known = self.terms.iter().find(|term| term.fencing == number);
        let Some(term) = known.cloned() else { return };
        let now = self.setup.env.clock.now();
        let id = self.program_of(&term);
        if term.lapses() <= now {
            return match id {
                Some(id) => self.end_lapsed(id),
                None => self.end_term(&term, TermEnd::Lapsed),
            };
        }
        let mut next = term.warns();
        if next <= now {
            next = term.lapses();
            if let Some(id) = id.filter(|id| !self.is_leaving(*id)) {
                self.tell_not_renewed(&term);
                self.leave_term(id);
            }
        }
        self.timers.insert(Owner::Host, next, Purpose::Term(number));
    }

    fn tell_not_renewed(&self, term: &Term) {
        let (plugin, tenant) = (&term.program.plugin, &term.program.tenant);
        tracing::warn!(
            plugin,
            tenant,
            fencing = term.fencing,
            "the lease of a singleton was not renewed: its program is told to stop"
        );
    }

    /// The program that runs in a term; it may be of an earlier version.
    fn program_of(&self, term: &Arc<Term>) -> Option<InstanceId> {
        let runs_in = |id: &InstanceId| {
            let of = self.instances.get(*id).and_then(|instance| instance.term.as_ref());
            of.is_some_and(|of| Arc::ptr_eq(of, term))
        };
        let leaving = self.leaving.iter().map(|leaving| leaving.instance);
        self.programs.shared(term.place).into_iter().chain(leaving).find(runs_in)
    }

    /// Tells a program to stop; it ends when it has nothing left.
    fn leave_term(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let (place, is_program) = (instance.plugin.index, instance.is_program());
        let listeners: Vec<usize> = instance.listeners.drain().map(|(_, place)| place).collect();
        listeners.into_iter().for_each(|place| self.close_listener(place));
        self.programs.ended(place, id);
        if is_program {
            self.deliver(id, Event::Stopping);
        }
        self.leaving.push(Leaving {
            instance: id,
            plugin: place,
            is_told: false,
            is_late: false,
            save: SaveStep::Unwanted,
            successor: None,
        });
        self.close_all_of(id);
    }

    /// A plugin is held back by its operator: if it is a singleton, its program continues on another host.
    pub(super) fn leave_term_of(&mut self, place: usize) {
        let Some(term) = self.term_of(place) else { return };
        if let Some(id) = self.program_of(&term).filter(|id| !self.is_leaving(*id)) {
            self.leave_term(id);
        }
    }

    /// Closes every connection of an instance, accepted or not, after its pending output: another host waits.
    pub(super) fn close_all_of(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        let closed = instance.connections.iter().map(|it| Overstay::Close(*it)).collect();
        self.agenda.overstays.extend(instance.plugin.tenant.index, closed);
    }

    /// The host stops: all singletons leave, so that another host can start them soon. Returns those that are told to stop.
    pub(super) fn leave_all_terms(&mut self) -> Vec<InstanceId> {
        let mut told = Vec::new();
        for term in self.terms.clone() {
            match self.program_of(&term) {
                None => self.leave(&term),
                Some(id) if self.is_leaving(id) => {}
                Some(id) => {
                    self.leave_term(id);
                    told.push(id);
                }
            }
        }
        told
    }

    /// Ends an instance whose term is over.
    pub(super) fn end_lapsed(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        let (plugin, fencing) = (&instance.plugin, instance.term.as_ref().map(|it| it.fencing));
        let (name, tenant) = (plugin.name(), &plugin.config.tenant);
        tracing::error!(
            plugin = name,
            tenant,
            fencing,
            "the lease of a singleton has lapsed: its program is ended"
        );
        self.mark_killed(id);
        self.end_instance(id);
    }

    /// A program has ended, or was ended while its call continues. Its term ends with it, unless its next version continues in
    /// it.
    pub(super) fn ended_in_term(&mut self, id: InstanceId, term: &Arc<Term>, is_away: bool) {
        if is_away {
            return self.end_term(term, TermEnd::Cut);
        }
        let leaving = self.leaving.iter().find(|leaving| leaving.instance == id);
        let is_over = term.lapses() <= self.setup.env.clock.now();
        match leaving {
            _ if is_over => self.end_term(term, TermEnd::Lapsed),
            Some(leaving) if leaving.successor.is_some() && !self.stopping.has_begun() => {}
            Some(_) => self.leave(term),
            None => self.end_term(term, TermEnd::Failed),
        }
    }

    /// Ends a term in which nothing runs any more. The candidate decides whether another one begins here.
    fn leave(&mut self, term: &Arc<Term>) {
        let is_wanted = !self.stopping.has_begun() && self.singleton_of(term).is_some();
        let is_in_time = self.setup.env.clock.now() < term.warns();
        self.end_term(
            term,
            match (is_wanted, is_in_time) {
                (false, _) => TermEnd::Unwanted,
                (true, true) => TermEnd::Left,
                (true, false) => TermEnd::Lapsed,
            },
        );
    }

    fn end_term(&mut self, term: &Arc<Term>, end: TermEnd) {
        self.terms.retain(|known| !Arc::ptr_eq(known, term));
        term.end(end);
    }
}
