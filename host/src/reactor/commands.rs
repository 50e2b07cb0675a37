//! Applying the commands of a callback after its return, and the effects of the event itself.
//!
//! A callback may queue as many commands as its limits allow: ten thousand timers, or a message to each of ten thousand
//! connections. So they are applied in batches, each charged to the tenant, and those beyond the tenant's share or the bound
//! of a turn wait for the next one. Meanwhile the instance gets no event.

use crate::base::arena::InstanceId;
use crate::engine::event::{Event, Outcome};
use crate::host_api::command::Command;
use crate::mail::post::StopManner;
use crate::mail::watch::Change;
use crate::reactor::Reactor;
use crate::reactor::table::asked::Asked;
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::instance::GuestTimer;
use crate::reactor::table::pending::Pending;
use crate::reactor::table::process::SpawnRequest;

/// The size of a batch, after which the tenant's share is checked.
const COMMANDS_AT_ONCE: usize = 64;
/// The progress of the commands of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandProgress {
    /// More batches follow at once.
    More,
    /// More batches follow in the next turn.
    Waits,
}

impl Reactor {
    /// A callback has returned: applies the first batch of its commands; the rest follows when the instance is next served.
    pub(super) fn begin_commands(
        &mut self,
        id: InstanceId,
        commands: Vec<Command>,
        event: Event,
        outcome: Outcome,
    ) {
        let mut commands = commands.into_iter();
        for command in commands.by_ref().take(COMMANDS_AT_ONCE) {
            self.apply(id, command);
        }
        match self.instances.get_mut(id).filter(|_| 0 < commands.len()) {
            Some(instance) => {
                instance.in_turn.count(self.turn, COMMANDS_AT_ONCE);
                instance.asked = Some(Box::new(Asked { commands, event, outcome }));
            }
            None => self.after_commands(id, &event, outcome),
        }
    }

    /// Applies the next batch of commands, or has it wait for the next turn.
    pub(super) fn go_on_with_commands(&mut self, id: InstanceId) -> CommandProgress {
        let Some(instance) = self.instances.get_mut(id) else { return CommandProgress::Waits };
        let tenant = instance.plugin.tenant.index;
        if self.fair_share.has_used_its_share(tenant) {
            self.wait_for_the_next_turn(id);
            return CommandProgress::Waits;
        }
        instance.in_turn.count(self.turn, COMMANDS_AT_ONCE);
        self.charged(tenant, |reactor| {
            for _ in 0..COMMANDS_AT_ONCE {
                let Some(command) = reactor.next_command(id) else {
                    return reactor.end_commands(id);
                };
                reactor.apply(id, command);
            }
        });
        CommandProgress::More
    }

    fn next_command(&mut self, id: InstanceId) -> Option<Command> {
        self.instances.get_mut(id)?.asked.as_mut()?.commands.next()
    }

    /// All commands of a callback are applied.
    fn end_commands(&mut self, id: InstanceId) {
        let asked = self.instances.get_mut(id).and_then(|instance| instance.asked.take());
        if let Some(asked) = asked {
            let Asked { event, outcome, .. } = *asked;
            self.after_commands(id, &event, outcome);
        }
    }

    fn after_commands(&mut self, id: InstanceId, event: &Event, outcome: Outcome) {
        self.on_return(id, event, outcome);
        self.read_again_if_it_may(id);
    }

    /// Applies one command.
    fn apply(&mut self, id: InstanceId, command: Command) {
        self.count_unit();
        let Some(instance) = self.instances.get(id) else { return };
        let tenant = instance.plugin.tenant.index;
        match command {
            Command::Reconcile { id } => self.reconcile(id),
            Command::Connect { admission, lookup, target, token, local } => {
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.pending_connects += 1;
                }
                let instance = id;
                let connect =
                    Pending::Connect { admission, lookup, instance, target, token, local };
                self.agenda.pending.push(tenant, connect);
            }
            Command::Listen { admission, id: listener_id, listener } => {
                self.open_listener(id, listener_id, *listener, admission);
            }
            Command::Unlisten { id: listener } => {
                let instance = self.instances.get_mut(id);
                let place = instance.and_then(|instance| instance.listeners.remove(&listener));
                if let Some(place) = place {
                    self.close_listener(place);
                }
            }
            Command::OpenDatagrams { admission, stream, token } => {
                self.open_datagrams(id, *stream, token, admission);
            }
            Command::SetTimer { id: timer, deadline, every } => {
                let key =
                    self.timers.insert(Owner::Tenant(tenant), deadline, Purpose::Guest(id, timer));
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.timers.insert(timer, GuestTimer { key: Some(key), every });
                }
            }
            Command::CancelTimer { id: timer } => {
                let instance = self.instances.get_mut(id);
                let removed = instance.and_then(|instance| instance.timers.remove(&timer));
                if let Some(key) = removed.and_then(|timer| timer.key) {
                    self.timers.cancel(key);
                }
            }
            Command::Tick { id: tick } => self.agenda.ticks.push(tenant, (id, tick)),
            Command::Spawn { process, plugin, name, argument } => {
                self.unborn.insert(process.id(), id);
                let request = SpawnRequest { process, parent: id, plugin, name, argument };
                self.agenda.pending.push(tenant, Pending::Spawn(request));
            }
            Command::Watch { id: watch, admission, path } => self.watch(id, watch, admission, path),
            Command::Unwatch { id: watch } => self.unwatch(id, watch),
            Command::Kill { process } => self.kill(id, process),
            Command::Exit => self.exit(id),
            Command::Stop => self.stop_everywhere(StopManner::Close),
        }
    }

    /// The effects of an event and of the guest's answer.
    fn on_return(&mut self, id: InstanceId, event: &Event, outcome: Outcome) {
        match (event, outcome) {
            (Event::Open(opening), _) => {
                if let Some(entry) = self.connections.get_mut(opening.connection) {
                    entry.is_open = true;
                }
            }
            (Event::Unbind { connection, .. }, _) => self.remove_connection(*connection),
            (
                Event::WatchEnded { watch, .. }
                | Event::FileChanged { watch, change: Change::Deleted },
                _,
            ) => self.unwatch(id, *watch),
            (Event::FileSent { connection, end }, _) => self.file_was_told(*connection, end),
            (Event::VerifyPeer { connection, .. }, Outcome::PeerVerified(is_taken)) => {
                self.peer_verified(*connection, is_taken);
            }
            (Event::Draining { connection, .. }, Outcome::Drains(drain)) => {
                self.drain_was_told(*connection, drain);
            }
            (Event::Popped { pop, .. }, Outcome::NotBegun) => self.wait_for_another_item(id, *pop),
            (Event::Save, Outcome::Saved(state)) => self.saved(id, state),
            (Event::Restore(_), outcome) => self.restored(id, &outcome),
            (Event::Timer(timer), _) => self.rearm(id, *timer),
            (_, Outcome::Refused(reason)) => self.start_refused(id, event.name(), &reason),
            _ => {}
        }
    }

    /// Reads the stalled connections of an instance, if neither it nor its tenant has to wait any more.
    fn read_again_if_it_may(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        if instance.stalled.is_empty()
            || instance.plugin.tenant.must_not_read(&self.setup.env.clock)
        {
            return;
        }
        if !self.waits_for_room(id) {
            self.end_stall(id);
        }
    }
}
