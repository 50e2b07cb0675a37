//! Handing over the state of a program from one version to the next on this reactor.
//!
//! The old version saves it, the host keeps it here, and the new version restores it before it starts. A failure on the way
//! costs only the state: the new version begins without it.

use std::sync::Arc;

use crate::base::arena::InstanceId;
use crate::config::limits;
use crate::config::model::Isolation;
use crate::engine::event::Outcome;
use crate::engine::sandbox::Sandbox;
use crate::mail::message::Message;
use crate::plugin::Plugin;
use crate::plugin::handover::{PROBATION, StateLoss};
use crate::reactor::Reactor;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::leaving::{Begins, KeptState, SaveStep, Successor};

impl Reactor {
    /// The first step for the state of a program that retires. If only one of the two versions supports a handover, that is
    /// logged.
    pub(super) fn first_step_of_save(
        &self,
        earlier: &Plugin,
        is_succeeded: bool,
        is_after: bool,
    ) -> SaveStep {
        // A plugin that is not served any more has no next version.
        let Some(now) = self.plugin(earlier.index) else { return SaveStep::Unwanted };
        let (gives, takes) =
            (earlier.exports.has_handover_handler(), now.exports.has_handover_handler());
        let told = |loss| now.begins_anew(self.setup.env.clock.now(), loss);
        match (gives, takes) {
            (false, false) => return SaveStep::Unwanted,
            (false, true) if is_succeeded && !self.programs.has_kept(earlier.index) => {
                told(StateLoss::NotGiven);
            }
            (true, _) if !is_succeeded => told(StateLoss::NobodyHere),
            (true, false) => told(StateLoss::NotTaken),
            _ => {}
        }
        // A version that returns wants it even if the version between does not.
        if !gives || !is_succeeded || !(takes || now.config.rollback) {
            return SaveStep::Unwanted;
        }
        if is_after { SaveStep::Wanted } else { SaveStep::Asked }
    }

    /// Reports that the current version at this place begins without the state of the previous one.
    pub(super) fn begins_anew(&self, place: usize, loss: StateLoss<'_>) {
        if let Some(plugin) = self.plugin(place) {
            plugin.begins_anew(self.setup.env.clock.now(), loss);
        }
    }

    /// Handles the answer of a retiring program with its state.
    pub(super) fn saved(&mut self, id: InstanceId, state: Option<Vec<u8>>) {
        let Some(at) = self.leaving.iter().position(|it| it.instance == id) else { return };
        let place = self.leaving[at].plugin;
        self.leaving[at].save = SaveStep::Answered;
        let kept = self.programs.take_kept(place);
        let state = match state {
            Some(data) => self.held(place, data),
            // A version that has never taken the kept state cannot declare that there is none.
            None => kept.filter(|kept| !kept.is_taken).map(|kept| kept.state),
        };
        let leaving = &mut self.leaving[at];
        let Some(successor) = leaving.successor.as_mut() else { return };
        successor.state = state;
        if successor.begins == Begins::AfterSave
            && let Some(successor) = leaving.successor.take()
        {
            self.begin_successor(place, successor);
        }
    }

    /// Keeps a state as a message, within the bounds of the version that is to get it.
    fn held(&self, place: usize, data: Vec<u8>) -> Option<Arc<Message>> {
        let plugin = self.plugin(place)?;
        let (now, length) = (self.setup.env.clock.now(), data.len());
        let max = usize::try_from(plugin.config.limits.message).unwrap_or(usize::MAX);
        let (limit, loss) = if max < length {
            (&limits::MESSAGE, StateLoss::TooLarge(length))
        } else {
            match Message::new(data, &plugin.tenant.messages, None) {
                Ok(message) => return Some(Arc::new(message)),
                Err(_) => (&limits::MESSAGES, StateLoss::NoRoom(length)),
            }
        };
        plugin.at_limit(now, limit, || None);
        plugin.begins_anew(now, loss);
        None
    }

    /// Begins a program that has waited for the previous version, if its own version is still the current one.
    pub(super) fn begin_successor(&mut self, place: usize, successor: Successor) {
        let Successor { sandbox, mut state, .. } = successor;
        if let Some(sandbox) = sandbox
            && self.is_served(sandbox.plugin())
            && !self.stopping.has_begun()
        {
            self.begin_with(sandbox, state.take());
        }
        self.go_on_with_term(place, state);
        self.take_new_connections(place);
    }

    fn take_new_connections(&mut self, place: usize) {
        for acceptor in self.acceptors.places_of(place) {
            self.acceptors.make_ready(acceptor);
        }
    }

    /// Begins a program with the state of the previous version, if there is any.
    pub(super) fn begin_with(&mut self, sandbox: Box<Sandbox>, state: Option<Arc<Message>>) {
        let plugin = sandbox.plugin().clone();
        let state = self.state_for(&plugin, state);
        if let Err(full) = self.adopt_with(sandbox, state) {
            plugin.at_limit(self.setup.env.clock.now(), full.bound(), || None);
            self.restart_later(&plugin);
        }
    }

    /// The state that a version is to restore. It is kept while a rollback to the previous version is possible.
    pub(super) fn state_for(
        &mut self,
        plugin: &Plugin,
        state: Option<Arc<Message>>,
    ) -> Option<Arc<Message>> {
        if let Some(state) = state.clone().filter(|_| plugin.config.rollback) {
            let (place, generation) = (plugin.index, plugin.generation);
            self.programs.keep(place, KeptState { generation, state, is_taken: false });
            let until = self.setup.env.clock.now() + PROBATION;
            self.timers.insert(Owner::Host, until, Purpose::Kept { place, generation });
        }
        state.filter(|_| plugin.exports.has_handover_handler())
    }

    /// Handles a program's answer to `handover-handler.restore`.
    pub(super) fn restored(&mut self, id: InstanceId, outcome: &Outcome) {
        let Some(plugin) = self.instances.get(id).map(|it| it.plugin.clone()) else { return };
        match outcome {
            Outcome::Refused(reason) => {
                plugin.begins_anew(self.setup.env.clock.now(), StateLoss::Refused(reason));
            }
            _ => self.programs.kept_is_taken(plugin.index, plugin.generation),
        }
        self.programs.end_restoring(plugin.index, id);
        self.take_new_connections(plugin.index);
    }

    /// An instance has ended. If it was restoring its state, another one begins at once, without the state; a later version that
    /// waits for it gets the state instead.
    pub(super) fn ended_in_restore(&mut self, id: InstanceId, plugin: &Arc<Plugin>) {
        let place = plugin.index;
        if plugin.config.isolation != Isolation::Plugin {
            return;
        }
        let Some(state) = self.programs.end_restoring(place, id) else { return };
        if self.stopping.has_begun() {
            return;
        }
        if !self.is_served(plugin) {
            let leaving = self.leaving.iter_mut().find(|it| it.instance == id);
            if let Some(successor) = leaving.and_then(|it| it.successor.as_mut()) {
                successor.state = Some(state);
            }
            return;
        }
        plugin.begins_anew(self.setup.env.clock.now(), StateLoss::NotRestored);
        self.restart(place);
        self.take_new_connections(place);
    }
}
