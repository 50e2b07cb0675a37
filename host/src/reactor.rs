//! The event loop: one poll with its connections, timers and instances.

mod accept;
mod access;
mod calls;
mod commands;
mod connections;
mod datagrams;
mod drained_plugins;
mod draining;
mod ends;
mod events;
pub(crate) mod exit;
mod fair_share;
mod files;
mod handover;
mod handshakes;
mod idle;
mod inbox;
mod inquiries;
mod instances;
mod lookahead;
mod mail;
mod outgoing;
mod own_sockets;
mod pending;
mod processes;
mod proxy_headers;
mod proxying;
mod rates;
mod singletons;
mod sockets;
mod stop;
pub(crate) mod table;
mod ticks;
mod timers;
mod versions;
mod watching;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Interest, Poll};

use crate::base::arena::{Arena, InstanceId};
use crate::base::token::PollSource;
use crate::clock::Clock;
use crate::engine::template::Templates;
use crate::engine::ticker::Activity;
use crate::host_api::state::Env;
use crate::mail::post::Post;
use crate::net::listener::Listener;
use crate::plugin::Plugin;
use crate::quota::instances::InstanceQuota;
use crate::quota::term::Term;
use crate::reactor::exit::Exit;
use crate::reactor::fair_share::FairShare;
use crate::reactor::inbox::Inbox;
use crate::reactor::table::acceptor::Acceptors;
use crate::reactor::table::agenda::Agenda;
use crate::reactor::table::backlog::Backlog;
use crate::reactor::table::change::ReactorChanges;
use crate::reactor::table::connection::ConnectionEntry;
use crate::reactor::table::deadline::Deadlines;
use crate::reactor::table::guest_entry::GuestEntry;
use crate::reactor::table::held_back::HeldBack;
use crate::reactor::table::instance::Instance;
use crate::reactor::table::leaving::Leaving;
use crate::reactor::table::poll_events::PollEvents;
use crate::reactor::table::program::Programs;
use crate::reactor::table::stop::Stopping;
use crate::reactor::table::turn::TurnPhase;
use crate::reactor::table::turn_part::TurnPart;
use crate::reactor::table::watches::Watches;
use crate::workers::disposal::Disposal;
use crate::workers::resolver::Resolver;
use crate::workers::slow_lane::SlowLane;

/// The most units of work of one phase for one tenant in a turn, and of a turn for one instance; the rest waits for the next
/// turn.
const UNITS_PER_PHASE: usize = 1024;
/// The most bytes of one read, and so of one `receive-data`.
const READ_BYTES: usize = 64 * 1024;
/// The most events of one poll.
const EVENTS_PER_TURN: usize = 1024;

/// What a reactor is made of.
#[derive(Debug)]
pub struct Setup {
    /// Its index among the reactors.
    pub index: usize,
    /// The environment of its instances.
    pub env: Env,
    /// The templates of instances.
    pub templates: Templates,
    /// Tells the ticker that a guest runs.
    pub activity: Activity,
    /// The instance quota of the host.
    pub quota: InstanceQuota,
    /// The resolver of the host.
    pub resolver: Arc<Resolver>,
    /// Releases the resources of ended instances off the loop.
    pub disposal: Disposal,
    /// The time slice of a handler.
    pub slice: Duration,
    /// Runs handlers that exceed their slice.
    pub slow_lane: SlowLane,
    /// How long a stop may take.
    pub stop_deadline: Duration,
    /// How long a close after writing waits for a peer that does not read.
    pub close_deadline: Duration,
}

/// The next step of a reactor.
pub enum Step {
    /// The carrier enters this guest, then calls [`Reactor::returned`].
    Enter(GuestEntry),
    /// The turn is over.
    TurnIsOver {
        /// Whether there is another turn.
        goes_on: bool,
    },
}

/// An event loop as a value: its carrier calls `Reactor::next_step` again and again.
pub struct Reactor {
    setup: Setup,
    poll: Poll,
    /// The events of the last poll.
    events: PollEvents,
    inbox: Inbox,
    acceptors: Acceptors,
    connections: Arena<ConnectionEntry>,
    instances: Arena<Instance>,
    /// The instances that are processes, by the process's id.
    processes: HashMap<u32, InstanceId>,
    /// Processes that are not created yet, by their id, with their parents.
    unborn: HashMap<u32, InstanceId>,
    programs: Programs,
    /// Programs of earlier versions that have not ended.
    leaving: Vec<Leaving>,
    /// The terms of singletons that this host has.
    terms: Vec<Arc<Term>>,
    timers: Deadlines,
    held_back: HeldBack,
    watches: Watches,
    agenda: Agenda,
    backlog: Backlog,
    /// The share of each tenant in the turn.
    fair_share: FairShare,
    /// The guest that is entered before anything else is done.
    entry: Option<GuestEntry>,
    /// The read buffer, unless a call has it.
    buffer: Option<Vec<u8>>,
    /// The number of accepted connections.
    accepted: usize,
    /// The number of the last connection.
    numbers: u32,
    stopping: Stopping,
    /// The phase of the turn.
    phase: TurnPhase,
    /// The number of the turn, from 1.
    turn: u64,
    /// The units of bounded work that the turn has done.
    units: usize,
    /// The same, by the part of the turn.
    #[cfg(test)]
    part_units: [usize; TurnPart::ALL.len()],
}

impl Reactor {
    /// Makes a reactor without listeners and programs.
    pub fn new(setup: Setup) -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let inbox = Inbox::new(poll.registry())?;
        let roster = setup.env.host.roster();
        let (plugins, tenants) = (roster.places(), roster.all_tenants().len());
        setup.env.clock.begin_turn();
        let mut watches = Watches::default();
        let sees_folders = |plugin: &Arc<Plugin>| !plugin.config.allow.directories.is_empty();
        if roster.plugins().any(sees_folders) {
            watches.prepare(poll.registry());
        }
        Ok(Reactor {
            fair_share: FairShare::new(tenants, setup.slice),
            setup,
            poll,
            events: PollEvents::with_capacity(EVENTS_PER_TURN),
            inbox,
            acceptors: Acceptors::default(),
            connections: Arena::new(),
            instances: Arena::new(),
            processes: HashMap::new(),
            unborn: HashMap::new(),
            programs: Programs::new(plugins),
            leaving: Vec::new(),
            terms: Vec::new(),
            timers: Deadlines::new(tenants),
            held_back: HeldBack::default(),
            watches,
            agenda: Agenda::new(tenants),
            backlog: Backlog::new(tenants),
            entry: None,
            buffer: None,
            accepted: 0,
            numbers: 0,
            stopping: Stopping::default(),
            phase: TurnPhase::Begin,
            turn: 0,
            units: 0,
            #[cfg(test)]
            part_units: Default::default(),
        })
    }

    /// Its index among the reactors.
    pub fn index(&self) -> usize {
        self.setup.index
    }

    /// Its mail, for other threads.
    pub fn post(&self) -> Post {
        self.inbox.post()
    }

    /// The environment of its instances.
    pub fn env(&self) -> Env {
        self.setup.env.clone()
    }

    /// The sender of changes of a reload.
    pub fn changes(&self) -> ReactorChanges {
        self.inbox.changes()
    }

    /// What entering a guest needs: the ticker's activity and the clock.
    pub fn entered_with(&self) -> (Activity, Clock) {
        (self.setup.activity.clone(), self.setup.env.clock.clone())
    }

    /// The units of bounded work of the current turn, or of the last one: steps of its phases, and items that these have moved
    /// between queues.
    pub(crate) fn units_of_turn(&self) -> usize {
        self.units
    }

    /// The same of each part of the turn that serves tenants, with its name.
    #[cfg(test)]
    pub(crate) fn units_of_parts(&self) -> impl Iterator<Item = (String, usize)> {
        TurnPart::ALL.into_iter().map(|part| format!("{part:?}")).zip(self.part_units)
    }

    /// The number of instances of a plugin.
    #[cfg(test)]
    pub(crate) fn instances_of(&self, plugin: &str) -> usize {
        self.instances.iter().filter(|(_, instance)| instance.plugin.name() == plugin).count()
    }

    /// Counts a piece of bounded work.
    fn count_unit(&mut self) {
        self.units += 1;
        #[cfg(test)]
        {
            self.part_units[self.fair_share.part() as usize] += 1;
        }
    }

    /// How it has ended; to be called after the last turn.
    pub fn how_it_ended(&self) -> Exit {
        self.stopping.exit
    }

    /// Sets the reactors of the host, which may include this one.
    pub fn set_peers(&mut self, peers: Vec<Post>) {
        self.stopping.peers = peers;
    }

    /// Adds a listener; connections are accepted from the next turn.
    pub fn listen(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = PollSource::Listener(self.acceptors.next_place()).into();
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        self.setup.env.host.own_listeners.add(&listener.endpoint.address);
        self.acceptors.add(listener, None);
        Ok(())
    }

    /// Continues the turn up to the next guest to enter, or to the end of the turn. The order is part of the contract:
    ///
    /// 1. the time is read, here and again after the poll has waited;
    /// 2. due timers run, the earliest first, ties in the order in which they were set;
    /// 3. the poll, the only place that waits;
    /// 4. instances that had to wait in the last turn continue; then mail of other threads and instances is handled: results of
    ///    deferred work, messages, a stop;
    /// 5. sockets are accepted, read and written, each a bounded number of times;
    /// 6. outgoing connections and processes that handlers have requested begin, `drained` is delivered;
    /// 7. ticks that were queued before this phase run;
    /// 8. connections that are being drained are notified, and closed when they are idle; every connection that has ended gets
    ///    its `unbind`;
    /// 9. a reactor that is stopped and drained ends.
    ///
    /// A phase puts events into the queues of instances and never enters a guest itself. Before it continues, each instance
    /// with events is entered until its queue is empty, or until it has gone to the slow lane. A phase without work is passed
    /// over.
    ///
    /// Timers and ticks that a handler sets are in their queues as soon as it returns, so that a later phase, and
    /// the cancellation of a timer that is due in the same turn, sees them. If a handler has queued more commands than the
    /// bound of a turn, the rest is applied in the next turns, before its instance gets another event.
    pub(crate) fn next_step(&mut self) -> io::Result<Step> {
        // Not changed in place: each step would copy it twice.
        let mut phase = std::mem::replace(&mut self.phase, TurnPhase::Begin);
        loop {
            self.count_unit();
            if let Some(entry) = self.next_entry() {
                self.phase = phase;
                return Ok(Step::Enter(entry));
            }
            phase = match phase {
                TurnPhase::Begin => self.begin_turn(),
                TurnPhase::Timers => self.run_timer(),
                TurnPhase::Poll => self.wait()?,
                TurnPhase::Waiting => self.go_on_waiting(),
                TurnPhase::Mail(progress) => self.take_mail(progress),
                TurnPhase::Sockets(progress) => self.serve_sockets(progress),
                TurnPhase::Pending(progress) => self.run_pending(progress),
                TurnPhase::Ticks => self.run_tick(),
                TurnPhase::Draining => self.drain_one(),
                TurnPhase::Unbinds => self.deliver_unbind(),
                TurnPhase::GiveBack => self.give_back(),
                TurnPhase::Stop => self.advance_stop(),
                TurnPhase::Over { goes_on } => return Ok(Step::TurnIsOver { goes_on }),
            };
        }
    }

    /// Polls: until the next deadline, or without waiting if there is work left.
    fn wait(&mut self) -> io::Result<TurnPhase> {
        self.fair_share.begin_part(TurnPart::Waiting);
        self.look_for_room();
        let timeout = if self.has_something_to_do() {
            Some(Duration::ZERO)
        } else {
            self.setup.env.clock.wait_until(self.timers.next_deadline())
        };
        self.events.wait(&mut self.poll, timeout)?;
        self.setup.env.clock.begin_turn();
        Ok(self.begin_waiting())
    }

    /// Whether there is work that needs no event of the poll.
    fn has_something_to_do(&self) -> bool {
        !self.agenda.is_empty()
            || 0 < self.acceptors.ready()
            || self.watches.may_have_more()
            || self.backlog.has_unlooked()
            || self.mail_can_go_on()
            || self.stopping.sweep.is_some()
            || self.stop_can_go_on()
    }
}
