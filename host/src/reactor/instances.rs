//! Events into instances: one at a time for each, in slices, and what happens when one traps.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::events::Event;
use super::processes::{Birth, Role};
use super::{Address, Command, ConnectionId, InstanceId, Reactor, Wish};
use crate::config::Isolation;
use crate::host_api::HostState;
use crate::observe;
use crate::plugin::evidence::Ended;
use crate::plugin::sandbox::{self, Finished, Outcome, Sandbox, Seat, Stage, Task, Trapped};
use crate::plugin::{Permit, Plugin};
use crate::timer::TimerKey;

/// A call into a guest that is under way. It owns the sandbox: whoever holds it can resume it, nobody can
/// enter the guest meanwhile, and dropping it ends the guest.
type Call = Pin<Box<dyn Future<Output = Finished> + Send>>;

enum State {
    /// Waits for events.
    Idle(Seat),
    /// Suspended in the middle of a callback.
    Suspended(Call),
    /// Being polled right now, further up this stack.
    Entered,
}

/// One sandbox of a plugin, as its reactor sees it.
pub(super) struct Instance {
    pub(super) plugin: Arc<Plugin>,
    state: State,
    queue: VecDeque<Event>,
    /// Its connections; each knows its place here.
    pub(super) connections: Vec<ConnectionId>,
    /// Connections that have something to read and wait until it is idle.
    stalled: Vec<ConnectionId>,
    pub(super) timers: HashMap<u32, GuestTimer>,
    /// Outgoing connections that were asked for and not begun.
    pub(super) wishes: u32,
    /// What makes it a process, if it is one.
    pub(super) role: Option<Role>,
    /// Processes that it has spawned.
    pub(super) children: Vec<InstanceId>,
    /// Counts it among the instances of the host.
    permit: Permit,
    /// Wakes it when it is suspended; most never are.
    waker: Option<Waker>,
    is_runnable: bool,
    /// When its suspended call has taken too long.
    overdue: Option<TimerKey>,
    /// Whether its events wait for its tenant's CPU time.
    waits: bool,
    pub(super) started: bool,
}

pub(super) struct GuestTimer {
    key: Option<TimerKey>,
    pub(super) every: Option<Duration>,
}

/// Why there is no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// The host has as many as it may.
    NoRoom,
    /// It has ended in its first callbacks.
    Ended,
    /// Its plugin is parked.
    Parked,
}

impl Instance {
    fn new(plugin: Arc<Plugin>, seat: Seat, permit: Permit) -> Instance {
        Instance {
            plugin,
            state: State::Idle(seat),
            queue: VecDeque::new(),
            connections: Vec::new(),
            stalled: Vec::new(),
            timers: HashMap::new(),
            wishes: 0,
            role: None,
            children: Vec::new(),
            permit,
            waker: None,
            is_runnable: false,
            overdue: None,
            waits: false,
            started: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }

    /// Whether what it fills is so full that it should not be given more to work on.
    pub(super) fn is_pressed(&self) -> bool {
        matches!(&self.state, State::Idle(Seat::Ready(sandbox)) if sandbox.store.data().is_pressed())
    }

    /// Whether nothing is under way and nothing waits.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_idle() && self.queue.is_empty()
    }

    /// Whether `lifecycle.start` has been delivered.
    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    pub(super) fn sandbox(&mut self) -> Option<&mut Sandbox> {
        match &mut self.state {
            State::Idle(Seat::Ready(sandbox)) => Some(sandbox),
            _ => None,
        }
    }
}

impl Reactor {
    /// The instance for a new connection of a plugin, made if need be.
    pub(super) fn instance_for(&mut self, plugin: usize) -> Result<InstanceId, Unavailable> {
        if let Some(id) = self.shared[plugin] {
            return Ok(id);
        }
        let isolation = self.setup.home.hub.plugins[plugin].config.isolation;
        let id = self.new_instance(plugin, None)?;
        if isolation == Isolation::Plugin {
            self.shared[plugin] = Some(id);
            self.deliver(id, Event::Prepare);
            self.deliver(id, Event::Start);
            return self.shared[plugin].ok_or(Unavailable::Ended);
        }
        Ok(id)
    }

    /// A new instance, which is made when its first event is delivered.
    pub(super) fn new_instance(
        &mut self,
        plugin: usize,
        role: Option<Role>,
    ) -> Result<InstanceId, Unavailable> {
        let plugin = self.setup.home.hub.plugins[plugin].clone();
        if plugin.evidence.is_parked() {
            return Err(Unavailable::Parked);
        }
        let permit = self.setup.instances.take(self.setup.instances_max);
        let permit = permit.ok_or(Unavailable::NoRoom)?;
        let mut state = HostState::new(plugin.clone(), self.setup.home.clone());
        state.address = Some(self.address(self.instances.next_key()));
        state.is_process = role.is_some();
        // A process and a sandbox for one connection live only while the reactor runs.
        state.running = role.is_some() || plugin.config.isolation == Isolation::Connection;
        let mut instance = Instance::new(plugin, Seat::Empty(Box::new(state)), permit);
        instance.role = role;
        Ok(self.instances.insert(instance))
    }

    fn address(&self, instance: InstanceId) -> Address {
        Address { reactor: self.setup.index, post: self.inbox.post(), instance }
    }

    /// Takes over a sandbox that was made and prepared before the loop began; false when the host has no
    /// room for it.
    pub(crate) fn adopt(&mut self, mut sandbox: Box<Sandbox>) -> bool {
        let Some(permit) = self.setup.instances.take(self.setup.instances_max) else {
            return false;
        };
        let plugin = sandbox.plugin().clone();
        let index = plugin.index;
        sandbox.store.data_mut().address = Some(self.address(self.instances.next_key()));
        let mut instance = Instance::new(plugin, Seat::Ready(sandbox), permit);
        // In its queue already, so that no connection gets in before it.
        instance.queue.push_back(Event::Start);
        let id = self.instances.insert(instance);
        self.shared[index] = Some(id);
        self.had_programs = true;
        self.wishes.push_back(Wish::Start(id));
        true
    }

    /// Delivers an event, at once if the instance is idle.
    pub(super) fn deliver(&mut self, id: InstanceId, event: Event) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.queue.push_back(event);
        self.pump(id);
    }

    /// Delivers what waits, until the instance is suspended or gone.
    pub(super) fn pump(&mut self, id: InstanceId) {
        loop {
            let Some(instance) = self.instances.get_mut(id) else { return };
            if !instance.is_idle() || instance.queue.is_empty() {
                return;
            }
            if instance.plugin.tenant.must_wait(&self.setup.home.clock) {
                if !std::mem::replace(&mut instance.waits, true) {
                    self.waiting.push_back(id);
                }
                return;
            }
            let Some(event) = instance.queue.pop_front() else { return };
            if let Some(task) = self.task_of(id, event) {
                self.enter(id, task);
            }
        }
    }

    /// Hands a task to an idle instance.
    pub(super) fn enter(&mut self, id: InstanceId, task: Task) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match std::mem::replace(&mut instance.state, State::Entered) {
            State::Idle(seat) => {
                let call = Box::pin(sandbox::run(seat, task));
                // A first slice is nearly always the only one: a waker is made for the second.
                self.poll_call(id, call, Waker::noop());
            }
            other => {
                debug_assert!(false, "only an idle instance is entered");
                instance.state = other;
            }
        }
    }

    /// Gives one suspended call its next slice.
    pub(super) fn resume_one(&mut self) {
        self.collect_woken();
        let mut runnable = std::mem::take(&mut self.runnable);
        let next = runnable.take(|tenant| self.may_run(tenant));
        self.runnable = runnable;
        let Some(id) = next else { return };
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.is_runnable = false;
        let waker = instance.waker.get_or_insert_with(|| self.inbox.waker_of(id)).clone();
        match std::mem::replace(&mut instance.state, State::Entered) {
            State::Suspended(call) => {
                self.poll_call(id, call, &waker);
                self.pump(id);
            }
            // Woken too late: the call has come to its end meanwhile.
            other => instance.state = other,
        }
    }

    /// Queues the instances whose calls were woken.
    pub(super) fn collect_woken(&mut self) {
        for id in self.inbox.take_woken() {
            self.make_runnable(id);
        }
    }

    fn make_runnable(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if matches!(instance.state, State::Suspended(_)) && !instance.is_runnable {
            instance.is_runnable = true;
            self.runnable.push(instance.plugin.tenant.index, id);
        }
    }

    fn poll_call(&mut self, id: InstanceId, mut call: Call, waker: &Waker) {
        self.setup.activity.enter();
        match self.poll_counted(id, &mut call, waker) {
            Poll::Ready(finished) => self.finish(id, finished),
            Poll::Pending => {
                let Some(instance) = self.instances.get_mut(id) else { return };
                instance.state = State::Suspended(call);
                if instance.overdue.is_none() {
                    let deadline =
                        self.setup.home.clock.now() + instance.plugin.config.limits.event_deadline;
                    instance.overdue =
                        Some(self.timers.insert(deadline, super::Purpose::Overdue(id)));
                }
                // Whether it waits or only had its slice shows when it is polled with a waker of its own.
                if waker.will_wake(Waker::noop()) {
                    self.make_runnable(id);
                }
            }
        }
    }

    /// Polls a call, and takes the time from its tenant's account if it has one.
    fn poll_counted(&self, id: InstanceId, call: &mut Call, waker: &Waker) -> Poll<Finished> {
        let context = &mut Context::from_waker(waker);
        let plugin = self.instances.get(id).map(|instance| &instance.plugin);
        let Some(cpu) = plugin.and_then(|plugin| plugin.tenant.cpu.as_ref()) else {
            return call.as_mut().poll(context);
        };
        let begun = self.setup.home.clock.now();
        let polled = call.as_mut().poll(context);
        cpu.take_time(self.setup.home.clock.now().since(begun));
        polled
    }

    /// A suspended call has used up its time: its guest ends where it stands.
    pub(super) fn overdue(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let plugin = instance.plugin.clone();
        if instance.is_runnable {
            // It does not sleep but waits for its turn: `cpu_per_event` is what bounds it.
            let deadline = self.setup.home.clock.now() + plugin.config.limits.event_deadline;
            instance.overdue = Some(self.timers.insert(deadline, super::Purpose::Overdue(id)));
            return;
        }
        instance.overdue = None;
        let was_program = instance.started;
        let subject = self.subject(id, None);
        plugin.ended(
            self.setup.home.clock.now(),
            &Ended {
                what: "an event took too long: its instance has ended",
                event: "",
                handler: subject.as_ref().map(|(_, handler)| &**handler),
                connection: subject.as_ref().map(|(number, _)| *number),
                operation: None,
                limit: Some("event_deadline"),
                cause: None,
                backtrace: None,
            },
        );
        self.end_instance(id);
        if was_program {
            self.restart_later(plugin.index);
        }
    }

    fn finish(&mut self, id: InstanceId, finished: Finished) {
        let overdue = self.instances.get_mut(id).and_then(|instance| instance.overdue.take());
        if let Some(key) = overdue {
            self.timers.cancel(key);
        }
        let Finished { sandbox, mut task, result } = finished;
        if let Task::Data { buffer, .. } = &mut task {
            self.buffer = Some(std::mem::take(buffer));
        }
        match (sandbox, result) {
            (Some(mut sandbox), Ok(outcome)) => {
                self.tell_refused(id, &task, sandbox.refused_memory());
                let commands = std::mem::take(&mut sandbox.store.data_mut().commands);
                let Some(instance) = self.instances.get_mut(id) else { return };
                instance.state = State::Idle(Seat::Ready(sandbox));
                // One that has to wait gets them back when it need not.
                let waits = instance.is_pressed()
                    || instance.plugin.tenant.must_not_read(&self.setup.home.clock);
                if !waits {
                    self.ready.extend(instance.stalled.drain(..));
                } else if !instance.stalled.is_empty() {
                    self.pressed.push(id);
                }
                for command in commands {
                    self.obey(id, command);
                }
                self.after(id, &task, outcome);
            }
            (_, Err(trapped)) => self.trapped(id, &task, &trapped),
            (None, Ok(_)) => debug_assert!(false, "a call that went well has its sandbox"),
        }
    }

    /// A guest that was refused memory and went on all the same.
    fn tell_refused(&self, id: InstanceId, task: &Task, limit: Option<&'static str>) {
        let Some((limit, instance)) = limit.zip(self.instances.get(id)) else { return };
        let now = self.setup.home.clock.now();
        let value = instance.plugin.config.limits.shown(limit).unwrap_or_default();
        instance.plugin.at_limit(now, limit, &value, || self.subject(id, task.connection()));
    }

    fn obey(&mut self, id: InstanceId, command: Command) {
        match command {
            Command::Touch { id } => self.settle(id),
            Command::Connect { permit, lookup, target, token } => {
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.wishes += 1;
                }
                let instance = id;
                self.wishes.push_back(Wish::Connect { permit, lookup, instance, target, token });
            }
            Command::SetTimer { id: timer, deadline, every } => {
                let key = self.timers.insert(deadline, super::Purpose::Guest(id, timer));
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
            Command::Tick { id: tick } => self.ticks.push_back((id, tick)),
            Command::Spawn { process, plugin, name, argument } => {
                let birth = Birth { process, parent: id, plugin, name, argument };
                self.wishes.push_back(Wish::Spawn(birth));
            }
            Command::Kill { process } => self.kill(id, process),
            Command::Exit => self.exit(id),
            Command::Stop => self.stop_everywhere(),
        }
    }

    /// What the host does after a callback.
    fn after(&mut self, id: InstanceId, task: &Task, outcome: Outcome) {
        match (task, outcome) {
            (Task::Open { connection, .. }, Outcome::Opened(object, socket)) => {
                if let Some(entry) = self.connections.get_mut(*connection) {
                    entry.object = Some(object);
                    entry.socket = socket;
                }
            }
            (Task::Unbind { connection, .. }, _) => self.remove_connection(*connection),
            (Task::Timer { id: timer }, _) => self.rearm(id, *timer),
            (Task::Prepare | Task::Start, Outcome::Refused(reason)) => {
                self.start_refused(id, task.name(), &reason);
            }
            (Task::Spawned { .. }, Outcome::Refused(reason)) => {
                self.start_refused(id, task.name(), &reason);
            }
            _ => {}
        }
    }

    /// A guest's deadline has passed.
    pub(super) fn guest_timer_due(&mut self, id: InstanceId, timer: u32) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let Some(timer) = instance.timers.get_mut(&timer) {
            timer.key = None;
        }
        self.deliver(id, Event::Timer(timer));
    }

    /// A periodic timer is due again so long after its callback has returned.
    fn rearm(&mut self, id: InstanceId, timer: u32) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(GuestTimer { key, every: Some(every) }) = instance.timers.get_mut(&timer) else {
            return;
        };
        let deadline = (self.setup.home.clock.now() + *every).on_grid();
        *key = Some(self.timers.insert(deadline, super::Purpose::Guest(id, timer)));
    }

    fn start_refused(&mut self, id: InstanceId, event: &'static str, reason: &str) {
        let Some(instance) = self.instances.get(id) else { return };
        let plugin = instance.plugin.name();
        let reason = observe::escaped(reason);
        tracing::error!(plugin, event, reason = &*reason, "start failed: the instance has ended");
        self.end_instance(id);
    }

    /// A guest has trapped, or could not be made: it alone ends, with its connections.
    fn trapped(&mut self, id: InstanceId, task: &Task, trapped: &Trapped) {
        let Some(instance) = self.instances.get(id) else { return };
        let plugin = &instance.plugin;
        let subject = self.subject(id, task.connection());
        plugin.ended(
            self.setup.home.clock.now(),
            &Ended {
                what: match trapped.stage {
                    Stage::Run => "trapped",
                    Stage::Make | Stage::Fit => "no instance could be made",
                },
                event: task.name(),
                handler: subject.as_ref().map(|(_, handler)| &**handler),
                connection: subject.as_ref().map(|(number, _)| *number),
                operation: None,
                limit: trapped.limit,
                cause: Some(observe::cause(&trapped.error)),
                backtrace: Some(observe::backtrace(&trapped.error)),
            },
        );
        let index = plugin.index;
        let was_program = instance.started || matches!(task, Task::Prepare | Task::Start);
        self.end_instance(id);
        if was_program {
            self.restart_later(index);
        }
    }

    /// The connection that an event was about, its number and its handler.
    fn subject(&self, id: InstanceId, connection: Option<ConnectionId>) -> Option<(u32, String)> {
        let instance = self.instances.get(id)?;
        // A timer or a tick in the sandbox of one connection is about that connection.
        let single = instance.plugin.config.isolation == Isolation::Connection;
        let only = instance.connections.first().copied().filter(|_| single);
        let connection = self.connections.get(connection.or(only)?)?.shared.lock();
        Some((connection.number, connection.handler.clone()))
    }

    /// The end of an instance that cannot be told: its connections are closed, its timers forgotten.
    ///
    /// The processes that it has spawned end with it.
    pub(super) fn end_instance(&mut self, id: InstanceId) {
        let mut ending = vec![id];
        while let Some(id) = ending.pop() {
            if let Some(instance) = self.instances.remove(id) {
                self.clear_up(id, instance, &mut ending);
            }
        }
        self.wake_gates();
    }

    fn clear_up(&mut self, id: InstanceId, instance: Instance, ending: &mut Vec<InstanceId>) {
        for child in instance.children {
            self.condemn(child);
            ending.push(child);
        }
        if let Some(role) = instance.role {
            self.process_ended(id, &role);
        }
        if let Some(key) = instance.overdue {
            self.timers.cancel(key);
        }
        for timer in instance.timers.into_values() {
            if let Some(key) = timer.key {
                self.timers.cancel(key);
            }
        }
        for connection in instance.connections {
            self.abandon_connection(connection, &instance.plugin.config.on_trap);
        }
        let shared = &mut self.shared[instance.plugin.index];
        if *shared == Some(id) {
            *shared = None;
        }
        // Its place is free before anybody asks for it.
        drop(instance.state);
        drop(instance.permit);
    }

    /// Ends the sandbox of one connection when it has no more.
    pub(super) fn end_if_unused(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        let single = instance.plugin.config.isolation == Isolation::Connection;
        let is_process = instance.role.is_some();
        if single && !is_process && instance.connections.is_empty() && instance.wishes == 0 {
            self.end_instance(id);
        }
    }

    /// Delivers what waited for its tenant's CPU time.
    pub(super) fn release_waiting(&mut self) {
        for id in std::mem::take(&mut self.waiting) {
            // One that still has to wait queues again.
            if let Some(instance) = self.instances.get_mut(id) {
                instance.waits = false;
            }
            self.pump(id);
        }
    }

    /// Reads from the connections of instances that had to wait and need not any more.
    pub(super) fn release_pressed(&mut self) {
        for id in std::mem::take(&mut self.pressed) {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            let must_wait = instance.plugin.tenant.must_not_read(&self.setup.home.clock);
            if must_wait || instance.is_pressed() {
                self.pressed.push(id);
            } else {
                self.ready.extend(instance.stalled.drain(..));
            }
        }
    }

    /// Reads from a connection once its instance is idle.
    pub(super) fn stall(&mut self, id: InstanceId, connection: ConnectionId) {
        let waits = self.connections.get_mut(connection).is_none_or(|entry| {
            // Waiting here and being ready are one: it is read when its instance is idle.
            std::mem::replace(&mut entry.is_ready, true)
        });
        if !waits && let Some(instance) = self.instances.get_mut(id) {
            instance.stalled.push(connection);
        }
    }
}
