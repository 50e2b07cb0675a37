//! The loop: one thread, one poll, its connections, timers and instances.

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
mod handshakes;
mod idle;
mod inbox;
mod inquiries;
mod instances;
mod mail;
mod outgoing;
mod own_sockets;
mod pending;
mod processes;
mod proxy_headers;
mod proxying;
mod rates;
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

/// What one phase does for one tenant in one turn, and the turn for one instance, at most; the rest waits for the next.
const UNITS_PER_PHASE: usize = 1024;
/// Bytes read at once, and so the most that one `receive-data` brings.
const READ_BYTES: usize = 64 * 1024;
/// Events taken from the operating system at once.
const EVENTS_PER_TURN: usize = 1024;

/// What a reactor is given to work with.
#[derive(Debug)]
pub struct Setup {
    /// Which one it is, from 0.
    pub index: usize,
    /// What surrounds its instances: its clock, the plugins, the other reactors' instances.
    pub env: Env,
    /// What instances are made from.
    pub templates: Templates,
    /// Tells the ticker that a guest runs.
    pub activity: Activity,
    /// The instances of the whole host.
    pub quota: InstanceQuota,
    /// Looks names up, for the whole host.
    pub resolver: Arc<Resolver>,
    /// Gives back what ended instances leave behind, where it is much.
    pub disposal: Disposal,
    /// How long a handler runs before the others have their turn.
    pub slice: Duration,
    /// Where handlers go on that outlive their slice.
    pub slow_lane: SlowLane,
    /// How long `stop` waits for output to drain.
    pub stop_deadline: Duration,
    /// How long a close after writing waits for a peer that does not read.
    pub close_deadline: Duration,
}

/// What a reactor does next.
pub enum Step {
    /// This guest is entered, by whoever carries the loop; then [`Reactor::returned`] is told.
    Enter(GuestEntry),
    /// The turn is over.
    TurnIsOver {
        /// Whether there is another one.
        goes_on: bool,
    },
}

/// One loop, as a value: it is carried by whoever asks it what is next. See `Reactor::next_step`.
pub struct Reactor {
    setup: Setup,
    poll: Poll,
    /// What the poll has told last.
    events: PollEvents,
    inbox: Inbox,
    acceptors: Acceptors,
    connections: Arena<ConnectionEntry>,
    instances: Arena<Instance>,
    /// The instances that are processes, by the process's id.
    processes: HashMap<u32, InstanceId>,
    programs: Programs,
    /// Programs of earlier versions.
    leaving: Vec<Leaving>,
    timers: Deadlines,
    held_back: HeldBack,
    watches: Watches,
    agenda: Agenda,
    backlog: Backlog,
    /// What each tenant takes of a turn.
    fair_share: FairShare,
    /// The guest that is entered before anything else happens.
    entry: Option<GuestEntry>,
    /// The read buffer, while no call has borrowed it.
    buffer: Option<Vec<u8>>,
    /// How many of the connections are not there because a plugin has asked for them.
    accepted: usize,
    /// The number that the last connection got.
    numbers: u32,
    stopping: Stopping,
    /// How far the turn has come.
    phase: TurnPhase,
    /// Which turn it is, from 1.
    turn: u64,
    /// What the turn has done, in pieces of bounded work.
    units: usize,
}

impl Reactor {
    /// A reactor with nothing to do yet.
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
            programs: Programs::new(plugins),
            leaving: Vec::new(),
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
        })
    }

    /// Which one it is, from 0.
    pub fn index(&self) -> usize {
        self.setup.index
    }

    /// What other threads need to reach it.
    pub fn post(&self) -> Post {
        self.inbox.post()
    }

    /// What surrounds its instances.
    pub fn env(&self) -> Env {
        self.setup.env.clone()
    }

    /// The way for what a reload changes.
    pub fn changes(&self) -> ReactorChanges {
        self.inbox.changes()
    }

    /// What its guests are entered with: what tells the ticker that one runs, and the clock that says how long.
    pub fn entered_with(&self) -> (Activity, Clock) {
        (self.setup.activity.clone(), self.setup.env.clock.clone())
    }

    /// How many pieces of bounded work the turn has done so far, or the last one did: steps of its phases, and what each of
    /// them has moved from one queue to another.
    pub(crate) fn units_of_turn(&self) -> usize {
        self.units
    }

    /// How it ended, once it has.
    pub fn how_it_ended(&self) -> Exit {
        self.stopping.exit
    }

    /// Every reactor of the host; it may be among them.
    pub fn set_peers(&mut self, peers: Vec<Post>) {
        self.stopping.peers = peers;
    }

    /// Takes a listener: connections are accepted from the next turn on.
    pub fn listen(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = PollSource::Listener(self.acceptors.next_place()).into();
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        self.setup.env.host.own_listeners.add(&listener.endpoint.address);
        self.acceptors.add(listener, None);
        Ok(())
    }

    /// Goes on with the turn up to the next guest that is to be entered, or to the turn's end. The order is the contract:
    ///
    /// 1. the time is read, here and again after the poll has waited;
    /// 2. timers that are due run, earliest first, ties in the order they were set;
    /// 3. the poll, the only place that waits;
    /// 4. instances that had to wait in the last turn go on; then what other threads and instances sent is taken: results of
    ///    deferred work, messages, a stop;
    /// 5. sockets are accepted, read and written, each a bounded number of times;
    /// 6. outgoing connections and processes that handlers asked for begin, `drained` is told;
    /// 7. ticks run, those that were queued before this phase;
    /// 8. connections that are being drained are told, and closed when they are idle; every connection that has ended gets its
    ///    `unbind`;
    /// 9. a reactor that is stopped and drained leaves.
    ///
    /// A phase puts events into the queues of instances and never enters a guest itself. Before it goes on, each instance
    /// that was told something is entered until nothing waits for it any more, or until it has gone to the slow lane.
    ///
    /// Timers and ticks that a handler sets are in their queues as soon as it returns, so a later phase, and
    /// a cancellation of a timer that is due in the same turn, sees them. Where a handler has asked for very many things,
    /// those over the bound of a turn are done in the next ones, before its instance is told anything else.
    pub(crate) fn next_step(&mut self) -> io::Result<Step> {
        loop {
            self.units += 1;
            if let Some(entry) = self.next_entry() {
                return Ok(Step::Enter(entry));
            }
            self.phase = match std::mem::replace(&mut self.phase, TurnPhase::Begin) {
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

    /// Polls for as long as there is nothing else to do.
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

    /// Whether there is something to do without news from the poll.
    fn has_something_to_do(&self) -> bool {
        !self.agenda.is_empty()
            || 0 < self.acceptors.ready()
            || self.watches.may_have_more()
            || self.mail_can_go_on()
            || self.stopping.sweep.is_some()
            || self.stop_can_go_on()
    }
}
