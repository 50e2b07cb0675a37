//! Reloads in a reactor: new connections get the new versions of plugins; instances of earlier versions continue until they
//! end, or until `drain_deadline`.

use std::sync::Arc;
use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::config::limits;
use crate::config::model::Handover;
use crate::contract::export::Export;
use crate::engine::event::Event;
use crate::engine::sandbox::Sandbox;
use crate::net::connection::CloseReason;
use crate::net::listener::{Endpoint, Listener};
use crate::plugin::Plugin;
use crate::plugin::handover::StateLoss;
use crate::reactor::Reactor;
use crate::reactor::table::change::ReactorChange;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::leaving::{Begins, Leaving, Overstay, SaveStep, Successor};
use crate::reactor::table::turn_part::TurnPart;

impl Reactor {
    /// Applies the change of a reload. A stopping reactor begins nothing new.
    pub(super) fn change(&mut self, change: ReactorChange) {
        if self.stopping.has_begun() {
            return;
        }
        let ReactorChange { templates, tenants, opened, kept, programs, taken, .. } = change;
        self.grow(templates.places(), tenants);
        self.setup.stop_deadline = change.stop_deadline;
        self.setup.close_deadline = change.close_deadline;
        let before = std::mem::replace(&mut self.setup.templates, templates);
        self.change_listeners(opened, &kept);
        let begin: Vec<usize> = programs.iter().map(|it| it.plugin().index).collect();
        for earlier in before.iter() {
            let plugin = &earlier.plugin;
            if !self.is_served(plugin) {
                self.retire_version(plugin, begin.contains(&plugin.index));
            }
        }
        for program in programs {
            self.begin_program(Box::new(program));
        }
        let sees_folders = |plugin: &Arc<Plugin>| !plugin.config.allow.directories.is_empty();
        if self.setup.templates.iter().any(|template| sees_folders(&template.plugin)) {
            self.watches.prepare(self.poll.registry());
        }
        // Limits may have changed.
        self.acceptors.wake();
        drop(taken);
    }

    fn grow(&mut self, plugins: usize, tenants: usize) {
        self.agenda.grow(tenants);
        self.backlog.grow(tenants);
        self.timers.grow(tenants);
        self.fair_share.grow(tenants);
        self.programs.grow(plugins);
    }

    fn change_listeners(&mut self, opened: Vec<Listener>, kept: &[(Arc<Endpoint>, Arc<Endpoint>)]) {
        for place in self.acceptors.places_of_operator() {
            let Some(acceptor) = self.acceptors.get_mut(place) else { continue };
            let endpoint = &mut acceptor.listener.endpoint;
            if let Some((_, now)) = kept.iter().find(|(before, _)| Arc::ptr_eq(before, endpoint)) {
                if let Err(error) = acceptor.listener.serve(now.clone()) {
                    let address = &now.accepted.listener;
                    tracing::error!(address, %error, "the backlog stays as it was");
                }
            } else {
                let address = endpoint.address.clone();
                self.close_listener(place);
                self.setup.env.host.own_listeners.remove(&address);
            }
        }
        for listener in opened {
            if let Err(error) = self.listen(listener) {
                tracing::error!(%error, "a listener cannot be polled");
            }
        }
    }

    /// Whether this is the current version of a plugin.
    pub(super) fn is_served(&self, plugin: &Arc<Plugin>) -> bool {
        self.plugin(plugin.index).is_some_and(|now| Arc::ptr_eq(now, plugin))
    }

    /// Retires a version: it gets nothing new from now on. Its program is told at once; all its instances have until the
    /// deadline. `is_succeeded` is whether a program of the next version begins here.
    fn retire_version(&mut self, plugin: &Arc<Plugin>, is_succeeded: bool) {
        let place = plugin.index;
        self.programs.renew(place);
        let now = self.setup.env.clock.now();
        let longest = self.drain_deadline(plugin);
        let purpose = Purpose::Retired { place, generation: plugin.generation };
        self.timers.insert(Owner::Host, now + longest, purpose);
        self.retire_instances(plugin, now + longest);
        let Some(id) = self.programs.shared(place) else { return };
        self.programs.ended(place, id);
        let Some(instance) = self.instances.get_mut(id) else { return };
        let is_program = instance.is_program();
        let was_singleton = instance.term.is_some();
        let listeners: Vec<usize> = instance.listeners.drain().map(|(_, place)| place).collect();
        // The next version may bind the same addresses.
        listeners.into_iter().for_each(|place| self.close_listener(place));
        if is_program {
            self.deliver(id, Event::Stopping);
        }
        let next = self.plugin(place).map(|plugin| &plugin.config);
        // Two programs of a singleton never run at once, not even two versions.
        let is_after = next.is_some_and(|next| {
            next.handover == Handover::After || next.singleton || was_singleton
        });
        let is_succeeded = is_succeeded || self.has_term_for(place);
        let save = self.first_step_of_save(plugin, is_succeeded, is_after);
        let begins = if is_after { Begins::AfterEnd } else { Begins::AfterSave };
        let waits = is_after || save == SaveStep::Asked;
        let successor = waits.then_some(Successor { sandbox: None, begins, state: None });
        let (is_told, is_late) = (false, false);
        self.leaving.push(Leaving {
            instance: id,
            plugin: place,
            is_told,
            is_late,
            save,
            successor,
        });
        if save == SaveStep::Asked {
            self.deliver(id, Event::Save);
        }
        if was_singleton {
            self.close_all_of(id);
        }
    }

    /// Drains the connections of a version's instances, if the plugin can be notified of that. The others continue until the
    /// deadline.
    fn retire_instances(&mut self, plugin: &Arc<Plugin>, until: Moment) {
        if plugin.exports.has(Export::Draining) || plugin.serves_http {
            let is_its = |of: &Plugin| std::ptr::eq(of, &**plugin);
            self.overstay(is_its, |id| Overstay::Retiring(id, until));
        }
    }

    /// The drain deadline of an earlier version: that of the current version, or its own if the plugin is gone.
    fn drain_deadline(&self, earlier: &Plugin) -> Duration {
        let now = self.plugin(earlier.index);
        now.map_or(earlier.config.limits.drain_deadline, |now| now.config.limits.drain_deadline)
    }

    /// Whether an instance is a program of an earlier version.
    pub(super) fn is_leaving(&self, id: InstanceId) -> bool {
        self.leaving.iter().any(|leaving| leaving.instance == id)
    }

    /// Whether the connections of a plugin have to wait until its retiring program has ended or saved its state, and until the
    /// next one has restored it.
    pub(super) fn waits_for_handover(&self, place: usize) -> bool {
        self.leaving.iter().any(|it| it.plugin == place && it.successor.is_some())
            || self.programs.is_restoring(place)
    }

    /// Begins a prepared program, now or when the previous version has ended or saved its state.
    fn begin_program(&mut self, sandbox: Box<Sandbox>) {
        let place = sandbox.plugin().index;
        let before = self.leaving.iter_mut().rev().find(|it| it.plugin == place);
        if let Some(successor) = before.and_then(|before| before.successor.as_mut()) {
            successor.sandbox = Some(sandbox);
            return;
        }
        let state = self.programs.take_kept(place).map(|kept| kept.state);
        self.begin_with(sandbox, state);
    }

    /// Takes the next step of a retiring program that has nothing left; false if there is none.
    pub(super) fn go_on_leaving(&mut self) -> bool {
        for place in 0..self.leaving.len() {
            let leaving = &self.leaving[place];
            let (id, is_told) = (leaving.instance, leaving.is_told);
            let Some(instance) = self.instances.get(id) else {
                let leaving = self.leaving.swap_remove(place);
                self.has_left(leaving);
                return true;
            };
            let (is_quiet, has_started) = (instance.is_quiet(), instance.has_started());
            if !is_quiet || self.has_more(place) {
                continue;
            }
            if self.leaving[place].save == SaveStep::Wanted && !self.stopping.has_begun() {
                self.leaving[place].save = SaveStep::Asked;
                self.deliver(id, Event::Save);
            } else if has_started && !is_told {
                self.leaving[place].is_told = true;
                self.deliver(id, Event::Stopped);
            } else {
                self.end_instance(id);
            }
            return true;
        }
        false
    }

    /// Whether a retiring program has anything in progress.
    fn has_more(&mut self, place: usize) -> bool {
        let leaving = &self.leaving[place];
        let (id, is_late) = (leaving.instance, leaving.is_late);
        let Some(instance) = self.instances.get_mut(id) else { return false };
        if !instance.connections.is_empty() {
            return true;
        }
        let has_jobs =
            instance.sandbox().is_some_and(|sandbox| 0 < sandbox.store.data().jobs.len());
        !is_late && (has_jobs || 0 < instance.pending_connects || !instance.children.is_empty())
    }

    /// A retiring program has ended: starts its successor.
    fn has_left(&mut self, leaving: Leaving) {
        let Leaving { plugin: place, save, successor, .. } = leaving;
        let Some(mut successor) = successor else { return self.go_on_with_term(place, None) };
        let mut others = self.leaving.iter_mut().filter(|it| it.plugin == place);
        if let Some(other) = others.find_map(|it| it.successor.as_mut()) {
            // One more version is retiring.
            other.sandbox = other.sandbox.take().or(successor.sandbox);
            other.state = other.state.take().or(successor.state);
            return;
        }
        if successor.state.is_none() {
            successor.state = self.programs.take_kept(place).map(|kept| kept.state);
        }
        let has_not_saved = matches!(save, SaveStep::Wanted | SaveStep::Asked);
        if has_not_saved && successor.state.is_none() && !self.stopping.has_begun() {
            self.begins_anew(place, StateLoss::NotSaved);
        }
        self.begin_successor(place, successor);
    }

    /// The drain deadline of earlier versions of a plugin has passed. What is left is collected once, and ended in its
    /// tenant's turns.
    pub(super) fn retired_for_long(&mut self, place: usize, generation: u32) {
        let is_late = |plugin: &Plugin| plugin.index == place && plugin.generation <= generation;
        for leaving in &mut self.leaving {
            let instance = self.instances.get(leaving.instance);
            leaving.is_late |= instance.is_some_and(|instance| is_late(&instance.plugin));
        }
        self.overstay(is_late, Overstay::Instance);
    }

    /// Puts an entry for each instance of the matching plugins and versions on the agenda of its tenant.
    pub(super) fn overstay(
        &mut self,
        is_meant: impl Fn(&Plugin) -> bool,
        entry: impl Fn(InstanceId) -> Overstay,
    ) {
        let meant = self.instances.iter().filter(|(_, instance)| is_meant(&instance.plugin));
        for (id, instance) in meant {
            self.agenda.overstays.push(instance.plugin.tenant.index, entry(id));
        }
    }

    /// Ends one thing whose deadline has passed; false if there is none.
    pub(super) fn end_overstay(&mut self) -> bool {
        let (overstays, fair_share) = (&mut self.agenda.overstays, &mut self.fair_share);
        let next = overstays.next(|tenant| fair_share.passes_over(TurnPart::Overstays, tenant));
        let Some((tenant, overstay)) = next else { return false };
        self.charged(tenant, |reactor| match overstay {
            Overstay::Instance(id) => reactor.end_stay_of(id, tenant),
            Overstay::Connection(id) => reactor.end_stay(id),
            Overstay::Draining(id, until) => reactor.drain_accepted_of(id, tenant, until),
            Overstay::Retiring(id, until) => reactor.retire_instance(id, tenant, until),
            Overstay::Drain(id, cause, until) => reactor.drain_connection(id, cause, until),
            Overstay::Drained(id) => reactor.cut_drained_of(id, tenant),
            Overstay::Close(id) => reactor.close_drained(id),
            Overstay::Cut(id) => reactor.cut_connection(id),
            Overstay::Peer(id) => reactor.end_connection(id, CloseReason::Closed),
        });
        true
    }

    fn end_stay_of(&mut self, id: InstanceId, tenant: usize) {
        let Some(instance) = self.instances.get(id) else { return };
        if instance.role.is_some() {
            self.mark_killed(id);
            return self.end_instance(id);
        }
        let connections = instance.connections.iter().copied().map(Overstay::Connection).collect();
        self.agenda.overstays.extend(tenant, connections);
    }

    fn end_stay(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get(id) else { return };
        entry.shared.lock().stop();
        self.log_at_limit(id, &limits::DRAIN_DEADLINE);
        self.reconcile(id);
    }
}
