//! Calls into instances, from the event to the return. Calls that exceed their first slice continue in the slow lane.

use std::sync::Arc;
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::clock::Moment;
use crate::config::bound::Limit;
use crate::engine::call::{Finished, Seat};
use crate::engine::event::{Event, Outcome};
use crate::plugin::report::Ended;
use crate::reactor::Reactor;
use crate::reactor::commands::CommandProgress;
use crate::reactor::ends::{EVENT_DEADLINE, TOO_LONG};
use crate::reactor::table::deadline::{Owner, Purpose};
use crate::reactor::table::guest_entry::{GuestEntry, GuestReturn, Measure};
use crate::reactor::table::instance::InstanceState;
use crate::workers::slow_call::{CallOf, SlowCall};

/// The next event of an instance.
enum NextEvent {
    /// This event is delivered.
    Told(Event),
    /// The subject of the event is gone: the next one is tried.
    Void,
    /// There is none, or the instance has to wait.
    Waits,
}

impl Reactor {
    /// The guest to enter before the phase continues: that of the first runnable instance, until its queue is empty or it
    /// has to wait.
    pub(super) fn next_entry(&mut self) -> Option<GuestEntry> {
        if let Some(entry) = self.entry.take() {
            return Some(entry);
        }
        while let Some(&id) = self.agenda.runnable.front() {
            match self.next_event(id) {
                NextEvent::Told(event) => {
                    if let Some(entry) = self.begin(id, event) {
                        return Some(entry);
                    }
                }
                NextEvent::Void => {}
                NextEvent::Waits => {
                    self.agenda.runnable.pop_front();
                    self.release_held(id);
                }
            }
        }
        None
    }

    /// Takes the next event out of an instance's queue.
    fn next_event(&mut self, id: InstanceId) -> NextEvent {
        let Some(instance) = self.instances.get(id) else { return NextEvent::Waits };
        let has_work = instance.asked.is_some() || 0 < instance.queued();
        if has_work && instance.in_turn.is_full(self.turn) {
            self.wait_for_the_next_turn(id);
            return NextEvent::Waits;
        }
        if instance.asked.is_some() {
            return match self.go_on_with_commands(id) {
                CommandProgress::More => NextEvent::Void,
                CommandProgress::Waits => NextEvent::Waits,
            };
        }
        if !instance.is_idle() || instance.queued() == 0 {
            return NextEvent::Waits;
        }
        let tenant = &instance.plugin.tenant;
        if tenant.must_wait(&self.setup.env.clock) {
            self.wait_for_cpu(id);
            return NextEvent::Waits;
        }
        if self.fair_share.has_used_its_share(tenant.index) {
            self.wait_for_the_next_turn(id);
            return NextEvent::Waits;
        }
        let turn = self.turn;
        let item = self.instances.get_mut(id).and_then(|instance| {
            instance.in_turn.count(turn, 1);
            instance.pop()
        });
        match item.and_then(|item| self.event_of(id, item)) {
            Some(event) => NextEvent::Told(event),
            None => NextEvent::Void,
        }
    }

    /// Enters an idle instance with this event before anything else is done.
    pub(super) fn enter_next(&mut self, id: InstanceId, event: Event) {
        debug_assert!(self.entry.is_none(), "one guest is entered at a time");
        self.entry = self.begin(id, event);
        self.agenda.runnable.push_front(id);
    }

    /// Takes the sandbox out of an idle instance; none if the call begins in the slow lane.
    fn begin(&mut self, id: InstanceId, event: Event) -> Option<GuestEntry> {
        if self.instances.get(id)?.has_lapsed(&self.setup.env.clock) {
            self.end_lapsed(id);
            return None;
        }
        let instance = self.instances.get_mut(id)?;
        instance.awaits = None;
        let seat = match std::mem::replace(&mut instance.state, InstanceState::Entered) {
            InstanceState::Idle(seat) => seat,
            other => {
                debug_assert!(false, "only an idle instance is entered");
                instance.state = other;
                return None;
            }
        };
        if instance.plugin.counters.stats.are_kept() {
            let clock = &self.setup.env.clock;
            instance.measured_from = (clock.turn(), clock.now());
        }
        let tenant = &instance.plugin.tenant;
        let measure = match self.fair_share.measure(tenant.index) {
            Measure::Nothing if tenant.cpu.is_bounded() => Measure::Time,
            measure => measure,
        };
        let may_begin = tenant.slow_calls.has_permits()
            && !self.fair_share.is_slow(tenant.index, self.setup.env.clock.turn());
        let entry = GuestEntry { instance: id, seat, event, measure };
        if may_begin {
            return Some(entry);
        }
        self.begin_in_the_lane(entry);
        None
    }

    /// Begins a call in the slow lane instead of on the carrier.
    pub fn begin_in_the_lane(&mut self, entry: GuestEntry) {
        let GuestEntry { instance: id, seat, event, .. } = entry;
        if let Some(of) = self.call_of(id) {
            let call = self.setup.slow_lane.take(of, seat, event);
            self.goes_on(id, call);
        }
    }

    /// Handles the return of a guest within its first slice.
    pub fn returned(&mut self, returned: GuestReturn) {
        let GuestReturn { instance: id, finished, used } = returned;
        let taken = self.measure(id, &finished.event);
        let charged = match used {
            Some(used) => self.charge(id, used),
            None => taken.and_then(|taken| self.note_cpu(id, taken)),
        };
        self.finish(id, finished);
        if let Some((tenant, begun)) = charged {
            self.fair_share.charge_work(tenant, self.setup.env.clock.now().since(begun));
        }
    }

    /// If measurements are kept, notes a call that has returned; returns its duration.
    fn measure(&self, id: InstanceId, event: &Event) -> Option<Duration> {
        let instance = self.instances.get(id)?;
        let stats = instance.plugin.counters.stats.on(self.setup.index)?;
        let (due, begun) = instance.measured_from;
        let now = self.setup.env.clock.now();
        let taken = now.since(begun);
        stats.returned(event.callback(), taken, now.since(due));
        match event {
            Event::Data { length, .. } => stats.received.add(*length as u64),
            Event::Datagram { bytes, .. } => stats.received.add(bytes.len() as u64),
            Event::Unbind { reason, .. } => stats.ended[*reason as usize].add(1),
            _ => {}
        }
        Some(taken)
    }

    /// Notes CPU time without charging it to the tenant.
    fn note_cpu(&self, id: InstanceId, taken: Duration) -> Option<(usize, Moment)> {
        self.instances.get(id)?.plugin.counters.stats.used_cpu(taken);
        None
    }

    /// Takes a sandbox back, and begins to apply the commands of its guest.
    pub(super) fn finish(&mut self, id: InstanceId, finished: Finished) {
        let overdue = self.instances.get_mut(id).and_then(|instance| instance.overdue.take());
        if let Some(key) = overdue {
            self.timers.cancel(key);
        }
        let Finished { sandbox, mut event, result, .. } = finished;
        if let Event::Data { buffer, .. } = &mut event {
            self.buffer = Some(std::mem::take(buffer));
        }
        match (sandbox, result) {
            (Some(mut sandbox), Ok(outcome)) => {
                if let (Event::Popped { item, .. }, Outcome::Done) = (&mut event, &outcome) {
                    item.handled();
                }
                self.log_refused_memory(id, &event, sandbox.refused_memory());
                let state = sandbox.store.data_mut();
                state.settle();
                let commands = state.commands.take();
                let sent = std::mem::take(&mut state.sent);
                self.note_sent(id, sent);
                let Some(instance) = self.instances.get_mut(id) else { return };
                instance.state = InstanceState::Idle(Seat::Ready(sandbox));
                self.begin_commands(id, commands, event, outcome);
            }
            (_, Err(trapped)) => self.trapped(id, &event, &trapped),
            (None, Ok(_)) => debug_assert!(false, "a call that went well has its sandbox"),
        }
    }

    /// Reports a refused growth of memory that did not trap the guest.
    fn log_refused_memory(&self, id: InstanceId, event: &Event, limit: Option<Limit>) {
        let Some((limit, instance)) = limit.zip(self.instances.get(id)) else { return };
        let now = self.setup.env.clock.now();
        instance.plugin.at_limit(now, limit, || self.subject(id, event.connection()));
    }

    /// Hands a call that has not returned over to the slow lane: its thread continues it there, and the loop goes on without
    /// it. None if the instance has ended meanwhile.
    pub fn left_behind(&mut self, id: InstanceId) -> Option<Arc<SlowCall>> {
        let call = self.setup.slow_lane.adopt(self.call_of(id)?);
        self.goes_on(id, call.clone());
        let used = self.setup.slice;
        let instance = self.instances.get(id)?;
        let (tenant, now) = (&instance.plugin.tenant, self.setup.env.clock.now());
        tenant.holds.handed_on(used);
        self.fair_share.handed_on(tenant.index, used, now);
        Some(call)
    }

    /// Does work for a tenant and charges it to the tenant's share of the turn.
    pub(super) fn charged<T>(&mut self, tenant: usize, work: impl FnOnce(&mut Reactor) -> T) -> T {
        if !self.fair_share.is_contended() {
            return work(self);
        }
        let begun = self.setup.env.clock.now();
        let done = work(self);
        self.fair_share.charge_work(tenant, self.setup.env.clock.now().since(begun));
        done
    }

    /// Charges time to a tenant's CPU account and to its share of the turn; returns the tenant and the time.
    fn charge(&mut self, id: InstanceId, used: Duration) -> Option<(usize, Moment)> {
        let instance = self.instances.get(id)?;
        let (plugin, now) = (instance.plugin.clone(), self.setup.env.clock.now());
        plugin.tenant.holds.held(used);
        plugin.use_cpu(used, now, || self.subject(id, None));
        self.fair_share.charge(plugin.tenant.index, used, now);
        Some((plugin.tenant.index, now))
    }

    /// The data that the slow lane needs about an instance's call.
    fn call_of(&self, id: InstanceId) -> Option<CallOf> {
        let instance = self.instances.get(id)?;
        Some(CallOf {
            plugin: instance.plugin.clone(),
            cancel: instance.cancel.clone(),
            instance: id,
            post: self.inbox.post(),
            returns: self.inbox.returns(),
        })
    }

    /// Notes that a call continues in the slow lane.
    fn goes_on(&mut self, id: InstanceId, call: Arc<SlowCall>) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.state = InstanceState::Away(call);
        if instance.overdue.is_none() {
            let after = instance.plugin.config.limits.longest_call();
            let deadline = self.setup.env.clock.now() + after;
            instance.overdue =
                Some(self.timers.insert(Owner::Host, deadline, Purpose::Overdue(id)));
        }
    }

    /// Handles the return of a call from the slow lane.
    pub(super) fn returned_from_the_lane(&mut self, id: InstanceId, finished: Finished) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let tenant = instance.plugin.tenant.index;
        let is_away = matches!(instance.state, InstanceState::Away(_));
        if is_away {
            self.measure(id, &finished.event);
        }
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let InstanceState::Away(_) =
            std::mem::replace(&mut instance.state, InstanceState::Entered)
        {
            let now = self.setup.env.clock.now();
            self.fair_share.used_in_the_lane(tenant, finished.used, now);
        }
        self.charged(tenant, |reactor| reactor.finish(id, finished));
        self.agenda.runnable.push_back(id);
    }

    /// Ends the instance of a call that hangs; its thread is abandoned.
    pub(super) fn overdue(&mut self, id: InstanceId) {
        let now = self.setup.env.clock.now();
        let Some(instance) = self.instances.get_mut(id) else { return };
        let plugin = instance.plugin.clone();
        let InstanceState::Away(call) = &instance.state else { return };
        let may = plugin.config.limits.longest_call();
        let left = may.saturating_sub(call.unseen(now));
        if !left.is_zero() {
            instance.overdue =
                Some(self.timers.insert(Owner::Host, now + left, Purpose::Overdue(id)));
            return;
        }
        instance.overdue = None;
        let was_program = instance.started;
        let subject = self.subject(id, None);
        plugin.ended(
            now,
            &Ended {
                what: TOO_LONG,
                event: "",
                subject,
                operation: None,
                limit: Some(EVENT_DEADLINE),
                cause: None,
                last_words: None,
                backtrace: None,
            },
        );
        self.end_instance(id);
        if was_program {
            self.restart_later(&plugin);
        }
    }
}
