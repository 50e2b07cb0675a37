//! The loop: one thread, one poll, its connections, timers and instances.

mod accept;
mod access;
mod calls;
mod connections;
mod ends;
mod events;
mod fair_share;
mod inbox;
mod instances;
mod mail;
mod outgoing;
mod processes;
mod stop;
mod table;
mod timers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::time::Duration;

use mio::{Events, Interest, Poll};

use crate::base::arena::{Arena, ConnectionId, InstanceId};
use crate::base::token::PollSource;
use crate::contract::outcome::ExitReason;
use crate::engine::template::Templates;
use crate::engine::ticker::Activity;
use crate::host_api::state::Env;
use crate::mail::post::{Delivery, Mail, Post};
use crate::net::listener::Listener;
use crate::quota::instances::InstanceQuota;
use crate::reactor::fair_share::FairShare;
use crate::reactor::inbox::Inbox;
use crate::reactor::table::acceptor::Acceptor;
use crate::reactor::table::connection::Entry;
use crate::reactor::table::deadline::{Failures, Purpose};
use crate::reactor::table::event::Event;
use crate::reactor::table::instance::Instance;
use crate::reactor::table::pending::Pending;
use crate::reactor::table::stop::Stop;
use crate::timer::{TimerKey, TimerQueue};
use crate::workers::resolver::Resolver;
use crate::workers::slow_lane::SlowLane;

/// Bytes read at once, and so the most that one `receive-data` brings.
const READ_BYTES: usize = 64 * 1024;
/// Reads from one connection in one turn; what is left waits for the next.
const READS_PER_TURN: usize = 4;
/// Connections accepted from one listener in one turn: each makes a sandbox, which others wait for.
const ACCEPTS_PER_TURN: usize = 4;
/// Events taken from the operating system at once.
const EVENTS_PER_TURN: usize = 1024;

/// How often it is looked whether what an instance fills has room again.
const PRESSED_WAIT: Duration = Duration::from_millis(1);

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
    /// How long a handler runs before the others have their turn.
    pub slice: Duration,
    /// Where handlers go on that outlive their slice.
    pub slow_lane: SlowLane,
    /// How long `stop` waits for output to drain.
    pub stop_deadline: Duration,
    /// How long a close after writing waits for a peer that does not read.
    pub close_deadline: Duration,
}

/// How a reactor's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was told to stop and did.
    Stopped,
    /// Every program has failed and nothing listens.
    NothingLeft,
}

/// One loop. See [`Reactor::turn`].
pub struct Reactor {
    setup: Setup,
    poll: Poll,
    inbox: Inbox,
    resolver: Resolver,
    /// Every reactor of the host, to pass `stop` on.
    peers: Vec<Post>,
    acceptors: Vec<Acceptor>,
    connections: Arena<Entry>,
    instances: Arena<Instance>,
    /// By plugin: the instance that serves all its connections, where there is one.
    shared: Vec<Option<InstanceId>>,
    /// By plugin: how often its program has failed, for the wait before the next attempt.
    failures: Vec<Failures>,
    timers: TimerQueue<Purpose>,
    ticks: VecDeque<(InstanceId, u32)>,
    /// Mail that has not been read yet.
    mail: VecDeque<Mail>,
    /// Messages of channels whose subscribers have too many events waiting, by the channel's tenant.
    held_back: BTreeMap<usize, VecDeque<Delivery>>,
    /// The instances that are processes, by the process's id.
    processes: HashMap<u32, InstanceId>,
    /// What is done in the phase after the sockets.
    pending: VecDeque<Pending>,
    /// Connections with more to read than their turn allowed.
    ready: VecDeque<ConnectionId>,
    /// Listeners with more to accept than their turn allowed.
    ready_acceptors: VecDeque<usize>,
    /// Connections that have ended and whose `unbind` is due.
    unbinds: VecDeque<ConnectionId>,
    /// Instances whose connections are not read because what they fill is full.
    pressed: Vec<InstanceId>,
    /// Connections with output that waits for their tenant's bytes a second.
    held: Vec<ConnectionId>,
    /// Instances with events that wait for their tenant's CPU time, or for its share of the next turn.
    waiting: VecDeque<InstanceId>,
    /// What each tenant takes of a turn.
    fair_share: FairShare,
    /// The read buffer, while no call has borrowed it.
    buffer: Option<Vec<u8>>,
    numbers: u32,
    /// Programs that would be started again if their plugins were not quarantined.
    quarantined: Vec<usize>,
    /// Whether a program was ever started here.
    had_programs: bool,
    stop: Stop,
    stop_deadline: Option<TimerKey>,
    exit: Exit,
}

impl Reactor {
    /// A reactor with nothing to do yet.
    pub fn new(setup: Setup) -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let inbox = Inbox::new(poll.registry())?;
        let plugins = setup.env.host.plugins.len();
        let fair_share = FairShare::new(setup.env.host.tenants.len(), setup.slice);
        let may_connect = setup.env.host.plugins.iter().any(|plugin| plugin.config.may_connect());
        setup.env.clock.begin_turn();
        Ok(Reactor {
            fair_share,
            setup,
            poll,
            inbox,
            resolver: Resolver::new(may_connect)?,
            peers: Vec::new(),
            acceptors: Vec::new(),
            connections: Arena::new(),
            instances: Arena::new(),
            shared: vec![None; plugins],
            failures: vec![Failures::default(); plugins],
            timers: TimerQueue::new(),
            ticks: VecDeque::new(),
            mail: VecDeque::new(),
            held_back: BTreeMap::new(),
            processes: HashMap::new(),
            pending: VecDeque::new(),
            ready: VecDeque::new(),
            ready_acceptors: VecDeque::new(),
            unbinds: VecDeque::new(),
            pressed: Vec::new(),
            held: Vec::new(),
            waiting: VecDeque::new(),
            buffer: None,
            numbers: 0,
            quarantined: Vec::new(),
            had_programs: false,
            stop: Stop::No,
            stop_deadline: None,
            exit: Exit::Stopped,
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

    /// Every reactor of the host; it may be among them.
    pub fn set_peers(&mut self, peers: Vec<Post>) {
        self.peers = peers;
    }

    /// Takes a listener: connections are accepted from the next turn on.
    pub fn listen(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = PollSource::Listener(self.acceptors.len()).into();
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        self.setup.env.host.own_listeners.add(&listener.endpoint.address);
        self.acceptors.push(Acceptor::new(listener));
        Ok(())
    }

    /// Turns until it is stopped.
    pub fn run(mut self) -> io::Result<Exit> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        while self.turn(&mut events)? {}
        Ok(self.exit)
    }

    /// One turn; false when it was the last. The order is the contract:
    ///
    /// 1. the time is read, here and again after the poll has waited;
    /// 2. timers that are due run, earliest first, ties in the order they were set;
    /// 3. the poll, the only place that waits;
    /// 4. what other threads and instances sent is taken: results of deferred work, messages, a stop;
    /// 5. sockets are accepted, read and written, each a bounded number of times;
    /// 6. outgoing connections and processes that handlers asked for begin, `drained` is told;
    /// 7. ticks run, those that were queued before this phase;
    /// 8. every connection that has ended gets its `unbind`;
    /// 9. a reactor that is stopped and drained leaves.
    ///
    /// Timers and ticks that a handler sets are in their queues as soon as it returns, so a later phase, and
    /// a cancellation of a timer that is due in the same turn, sees them.
    pub fn turn(&mut self, events: &mut Events) -> io::Result<bool> {
        self.setup.env.clock.begin_turn();
        self.fair_share.begin_turn();
        self.run_timers();
        self.wait(events)?;
        self.setup.env.clock.begin_turn();
        self.take_mail();
        self.serve_sockets(events);
        self.run_pending();
        self.run_ticks();
        self.deliver_unbinds();
        Ok(self.advance_stop())
    }

    /// Polls for as long as there is nothing else to do.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        self.release_pressed();
        self.release_held();
        self.release_waiting();
        let busy = self.something_has_a_share()
            || !self.ready.is_empty()
            || !self.ready_acceptors.is_empty()
            || !self.pending.is_empty()
            || !self.ticks.is_empty()
            || !self.mail.is_empty()
            || !self.unbinds.is_empty()
            || self.stop_can_go_on();
        let timeout = if busy {
            Some(Duration::ZERO)
        } else {
            let wait = self.setup.env.clock.wait_until(self.timers.next_deadline());
            // Nothing tells when another reactor has made room, or when there is CPU time again.
            let waits =
                [self.pressed.len(), self.held.len(), self.waiting.len(), self.held_back.len()];
            if waits == [0; 4] {
                wait
            } else {
                Some(wait.unwrap_or(PRESSED_WAIT).min(PRESSED_WAIT))
            }
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Whether events wait for nothing but the next turn.
    fn something_has_a_share(&self) -> bool {
        let tenant_of = |id| self.instances.get(id).map(|instance| instance.plugin.tenant.index);
        self.waiting.iter().filter_map(|id| tenant_of(*id)).any(|tenant| self.may_run(tenant))
    }

    /// Whether a tenant has CPU time.
    fn may_run(&self, tenant: usize) -> bool {
        let tenant = self.setup.env.host.tenants.get(tenant);
        !tenant.is_some_and(|tenant| tenant.must_wait(&self.setup.env.clock))
    }

    fn serve_sockets(&mut self, events: &Events) {
        // What was left over from the last turn comes first, and only once.
        for _ in 0..self.ready_acceptors.len() {
            if let Some(place) = self.ready_acceptors.pop_front() {
                self.accept(place);
            }
        }
        for _ in 0..self.ready.len() {
            if let Some(id) = self.ready.pop_front() {
                self.read_again(id);
            }
        }
        for event in events {
            match PollSource::from(event.token()) {
                PollSource::Waker => {}
                PollSource::Listener(place) => self.accept(place),
                PollSource::Connection(id) => self.on_event(id, event),
            }
        }
    }

    fn run_ticks(&mut self) {
        if self.stop.has_begun() {
            self.ticks.clear();
        }
        for _ in 0..self.ticks.len() {
            if let Some((instance, id)) = self.ticks.pop_front() {
                self.deliver(instance, Event::Tick(id));
            }
        }
    }
}
