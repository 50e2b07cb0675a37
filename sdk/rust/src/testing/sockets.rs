//! Connections without a network: the state that the host keeps of each, and what its calls do to it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::LOOP;
use crate::{
    connection::Connection,
    sockets::Socket as PluginSocket,
    types::{Address, CloseReason, Endpoint, ErrorCode},
};

/// The host's default of connections that a plugin may make.
const OUTGOING_MAX: usize = 1_000;
/// The host's default of how long connecting may take, in milliseconds; EventMachine's value.
const PENDING_CONNECT: u32 = 20_000;
/// What peers that connect say that their port is, and what they connect to.
const FIRST_PORT: u16 = 40_001;
const OWN_PORT: u16 = 40_000;

/// The host's handle on a connection, by its number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Socket(u32);

/// Every connection of the loop, and what plugins want to connect to.
#[derive(Default)]
pub(super) struct Connections {
    all: BTreeMap<u32, Line>,
    /// Connections that were asked for and not begun yet, with their tokens.
    asked: Vec<(u32, Address)>,
    last: u32,
}

/// A plugin's object, and the socket that it has.
pub(super) type Object = (PluginSocket, Rc<RefCell<Box<dyn Connection>>>);

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Outgoing, and not answered.
    Connecting,
    /// Outgoing and answered: the plugin is to be told.
    Completing,
    Open,
    Ended(CloseReason),
}

/// One connection.
pub(super) struct Line {
    pub(super) phase: Phase,
    pub(super) object: Option<Object>,
    /// Its target, if the plugin has opened it.
    pub(super) target: Option<Address>,
    /// Bytes that the plugin has sent and the peer has not taken.
    pub(super) to_peer: Vec<u8>,
    /// Bytes that the peer has sent and the plugin has not received.
    from_peer: Vec<u8>,
    peer_ended: bool,
    /// Whether the peer reads no more either.
    peer_gone: bool,
    /// Whether a test has looked at who is dialled.
    pub(super) is_looked_at: bool,
    /// Whether the plugin's side has ended.
    pub(super) has_ended: bool,
    /// A close that was asked for before it was connected.
    finishes: bool,
    is_told_of_end: bool,
    keeps_half_open: bool,
    paused: bool,
    inactivity: u32,
    pending_connect: u32,
    begun: u64,
    last_activity: u64,
    nodelay: bool,
}

/// The next event of the connection with this number.
pub(super) enum Told {
    Completed,
    Data(Vec<u8>),
}

impl Line {
    fn new(phase: Phase, target: Option<Address>, now: u64) -> Line {
        Line {
            phase,
            object: None,
            target,
            to_peer: Vec::new(),
            from_peer: Vec::new(),
            peer_ended: false,
            peer_gone: false,
            is_looked_at: false,
            has_ended: false,
            finishes: false,
            is_told_of_end: false,
            keeps_half_open: false,
            paused: false,
            inactivity: 0,
            pending_connect: PENDING_CONNECT,
            begun: now,
            last_activity: now,
            nodelay: true,
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        if !matches!(self.phase, Phase::Ended(_)) {
            self.phase = Phase::Ended(reason);
        }
    }

    /// The peer has ended its side and all its bytes are delivered.
    fn peer_ends(&mut self) {
        if self.has_ended || self.peer_gone || !self.keeps_half_open {
            self.end(CloseReason::PeerClosed);
        }
    }

    fn check_sendable(&self) -> Result<(), ErrorCode> {
        match self.phase {
            Phase::Ended(_) => Err(ErrorCode::Closed),
            _ if self.has_ended || self.finishes => Err(ErrorCode::Closing),
            _ => Ok(()),
        }
    }

    /// When it ends by itself.
    fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Connecting => Some(self.begun + u64::from(self.pending_connect)),
            Phase::Open if 0 < self.inactivity => {
                Some(self.last_activity + u64::from(self.inactivity))
            }
            _ => None,
        }
    }

    fn is_over(&self, now: u64) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether the plugin is to be told something at this time.
    fn has_news(&self, now: u64) -> bool {
        match self.phase {
            Phase::Connecting => self.is_over(now),
            Phase::Completing => true,
            Phase::Open => self.has_input() || self.is_over(now),
            Phase::Ended(_) => !self.is_told_of_end,
        }
    }

    fn has_input(&self) -> bool {
        !self.paused && (!self.from_peer.is_empty() || self.peer_ended && !self.has_peer_end())
    }

    /// Whether the peer's end has had its effect.
    fn has_peer_end(&self) -> bool {
        let goes_on = self.keeps_half_open && !self.has_ended && !self.peer_gone;
        self.peer_ended && self.from_peer.is_empty() && goes_on
    }
}

impl Connections {
    /// When a connection has news, at `now` at the earliest.
    pub(super) fn next_news(&self, now: u64) -> Option<u64> {
        if !self.asked.is_empty() || self.all.values().any(|line| line.has_news(now)) {
            return Some(now);
        }
        self.all.values().filter_map(Line::deadline).min()
    }

    /// The next event after this connection, in the order of their numbers; ends are delivered separately.
    pub(super) fn next_told(&mut self, behind: u32, now: u64) -> Option<(u32, Object, Told)> {
        let numbers: Vec<u32> = self.all.range(behind + 1..).map(|(number, _)| *number).collect();
        for number in numbers {
            let line = self.all.get_mut(&number)?;
            if let Some(told) = line.next_told(now)
                && let Some(object) = line.object.clone()
            {
                return Some((number, object, told));
            }
        }
        None
    }

    /// The next connection that has ended and of which the plugin was not told.
    pub(super) fn next_end(&mut self) -> Option<Option<(Object, CloseReason)>> {
        let ended = self.all.values_mut().find_map(|line| match line.phase {
            Phase::Ended(reason) if !line.is_told_of_end => Some((line, reason)),
            _ => None,
        });
        let (line, reason) = ended?;
        line.is_told_of_end = true;
        // An object that was never created gets no event.
        Some(line.object.take().map(|object| (object, reason)))
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut Line> {
        self.all.get_mut(&number)
    }

    /// A connection that a peer makes.
    pub(super) fn accept(&mut self, now: u64) -> u32 {
        self.add(Line::new(Phase::Open, None, now))
    }

    /// The requests since the last call.
    pub(super) fn take_asked(&mut self) -> Vec<(u32, Address)> {
        std::mem::take(&mut self.asked)
    }

    /// A connection that a plugin makes.
    pub(super) fn connect(&mut self, target: Address, now: u64) -> u32 {
        self.add(Line::new(Phase::Connecting, Some(target), now))
    }

    /// The next connection that was not answered and not taken by the test.
    pub(super) fn next_dial(&mut self) -> Option<(u32, Address)> {
        let is_new = |line: &&mut Line| {
            line.phase == Phase::Connecting && line.object.is_some() && !line.is_looked_at
        };
        let (number, line) = self.all.iter_mut().find(|(_, line)| is_new(line))?;
        line.is_looked_at = true;
        Some((*number, line.target.clone()?))
    }

    fn add(&mut self, line: Line) -> u32 {
        self.last += 1;
        self.all.insert(self.last, line);
        self.last
    }
}

impl Line {
    fn next_told(&mut self, now: u64) -> Option<Told> {
        if self.is_over(now) {
            self.end(match self.phase {
                Phase::Connecting => CloseReason::ConnectTimeout,
                _ => CloseReason::InactivityTimeout,
            });
        }
        match self.phase {
            Phase::Completing => {
                self.phase = Phase::Open;
                self.last_activity = now;
                if self.finishes {
                    self.end(CloseReason::Closed);
                }
                Some(Told::Completed)
            }
            Phase::Open if self.paused => None,
            Phase::Open if !self.from_peer.is_empty() => {
                self.last_activity = now;
                Some(Told::Data(std::mem::take(&mut self.from_peer)))
            }
            Phase::Open if self.peer_ended => {
                self.peer_ends();
                None
            }
            _ => None,
        }
    }

    /// The peer sends.
    pub(super) fn receive(&mut self, data: &[u8]) {
        if !matches!(self.phase, Phase::Ended(_)) && !self.peer_ended {
            self.from_peer.extend_from_slice(data);
        }
    }

    /// The peer ends its side.
    pub(super) fn receive_end(&mut self) {
        self.peer_ended = true;
    }

    /// The peer closes.
    pub(super) fn receive_close(&mut self) {
        (self.peer_ended, self.peer_gone) = (true, true);
    }

    /// The peer is there.
    pub(super) fn answer(&mut self) {
        if self.phase == Phase::Connecting {
            self.phase = Phase::Completing;
        }
    }
}

fn with<T>(number: u32, change: impl FnOnce(&mut Line, u64) -> T) -> Option<T> {
    LOOP.with_borrow_mut(|all| {
        let now = all.now;
        all.connections.get(number).map(|line| change(line, now))
    })
}

/// The host's calls, under their names in the contract.
impl Socket {
    pub(crate) fn of(number: u32) -> Socket {
        Socket(number)
    }

    pub(crate) fn send_data(&self, data: &[u8]) -> Result<(), ErrorCode> {
        let sent = with(self.0, |line, now| {
            line.check_sendable()?;
            line.to_peer.extend_from_slice(data);
            line.last_activity = now;
            Ok(())
        });
        sent.unwrap_or(Err(ErrorCode::Closed))
    }

    pub(crate) fn close_connection(&self) {
        with(self.0, |line, _| line.end(CloseReason::Closed));
    }

    pub(crate) fn close_connection_after_writing(&self) {
        with(self.0, |line, _| match line.phase {
            // Sent bytes belong to the peer already.
            Phase::Open => line.end(CloseReason::Closed),
            Phase::Connecting | Phase::Completing => line.finishes = true,
            Phase::Ended(_) => {}
        });
    }

    pub(crate) fn half_close(&self) -> Result<(), ErrorCode> {
        let closed = with(self.0, |line, _| {
            line.check_sendable()?;
            line.has_ended = true;
            if line.peer_ended && line.from_peer.is_empty() {
                line.end(CloseReason::PeerClosed);
            }
            Ok(())
        });
        closed.unwrap_or(Err(ErrorCode::Closed))
    }

    pub(crate) fn keep_half_open(&self, keep: bool) {
        with(self.0, |line, _| line.keeps_half_open = keep);
    }

    pub(crate) fn peer_finished(&self) -> bool {
        with(self.0, |line, _| line.peer_ended && line.from_peer.is_empty()).unwrap_or(true)
    }

    pub(crate) fn pause(&self) {
        with(self.0, |line, _| line.paused = true);
    }

    pub(crate) fn resume(&self) {
        with(self.0, |line, _| line.paused = false);
    }

    pub(crate) fn is_paused(&self) -> bool {
        with(self.0, |line, _| line.paused).unwrap_or(false)
    }

    pub(crate) fn peer_address(&self) -> Option<Address> {
        let here = |port| Address::Tcp(Endpoint { host: "127.0.0.1".to_owned(), port });
        let number = u16::try_from(self.0).unwrap_or(0);
        with(self.0, |line, _| match line.phase {
            Phase::Connecting | Phase::Ended(_) => None,
            _ => Some(line.target.clone().unwrap_or_else(|| here(FIRST_PORT + number))),
        })?
    }

    pub(crate) fn local_address(&self) -> Option<Address> {
        let here = || Address::Tcp(Endpoint { host: "127.0.0.1".to_owned(), port: OWN_PORT });
        with(self.0, |line, _| match line.phase {
            Phase::Connecting | Phase::Ended(_) => None,
            _ => Some(here()),
        })?
    }

    pub(crate) fn set_comm_inactivity_timeout(&self, milliseconds: u32) {
        with(self.0, |line, _| line.inactivity = milliseconds);
    }

    pub(crate) fn comm_inactivity_timeout(&self) -> u32 {
        with(self.0, |line, _| line.inactivity).unwrap_or(0)
    }

    pub(crate) fn set_pending_connect_timeout(&self, milliseconds: u32) -> Result<(), ErrorCode> {
        if milliseconds == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        with(self.0, |line, _| line.pending_connect = milliseconds);
        Ok(())
    }

    pub(crate) fn pending_connect_timeout(&self) -> u32 {
        with(self.0, |line, _| line.pending_connect).unwrap_or(0)
    }

    /// Whatever is sent is the peer's at once.
    pub(crate) fn outbound_data_size(&self) -> u32 {
        let waits = |line: &mut Line, _| match line.phase {
            Phase::Connecting => line.to_peer.len(),
            _ => 0,
        };
        with(self.0, waits).map_or(0, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    pub(crate) fn idle_time(&self) -> u32 {
        let idle = with(self.0, |line, now| now - line.last_activity).unwrap_or(0);
        u32::try_from(idle).unwrap_or(u32::MAX)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0
    }
}

/// Asks for a connection; it begins in a later phase of the turn, as the host's.
pub(crate) fn connect(target: &Address, token: u32) -> Result<(), ErrorCode> {
    let makes_sense = match target {
        Address::Tcp(Endpoint { host, port }) => !host.is_empty() && *port != 0,
        Address::Unix(path) => !path.is_empty(),
    };
    if !makes_sense {
        return Err(ErrorCode::InvalidArgument);
    }
    LOOP.with_borrow_mut(|all| {
        let connections = &mut all.connections;
        let is_own = |line: &&Line| line.target.is_some() && !line.is_told_of_end;
        let own = connections.all.values().filter(is_own).count() + connections.asked.len();
        if OUTGOING_MAX <= own {
            return Err(ErrorCode::Limit);
        }
        connections.asked.push((token, target.clone()));
        Ok(())
    })
}

/// The functions of `socket-options`.
pub(crate) mod options {
    use super::{Address, Endpoint, ErrorCode, LOOP, Line, Phase, Socket, with};
    use crate::sockets::Probes;

    pub(crate) fn set_keepalive(socket: &Socket, _: Option<Probes>) -> Result<(), ErrorCode> {
        with(socket.0, |line, _| is_alive(line)).unwrap_or(Err(ErrorCode::Closed))
    }

    /// Nothing probes here.
    pub(crate) fn keepalive(_: &Socket) -> Option<Probes> {
        None
    }

    pub(crate) fn set_nodelay(socket: &Socket, nodelay: bool) -> Result<(), ErrorCode> {
        let set = |line: &mut Line, _| {
            line.nodelay = nodelay;
            is_alive(line)
        };
        with(socket.0, set).unwrap_or(Err(ErrorCode::Closed))
    }

    pub(crate) fn nodelay(socket: &Socket) -> bool {
        with(socket.0, |line, _| line.nodelay).unwrap_or(true)
    }

    pub(crate) fn connect_from(
        _: &Endpoint,
        target: &Address,
        token: u32,
    ) -> Result<(), ErrorCode> {
        super::connect(target, token)
    }

    pub(crate) fn connection_count() -> u32 {
        let open = |all: &super::super::Loop| {
            all.connections.all.values().filter(|line| !line.is_told_of_end).count()
        };
        u32::try_from(LOOP.with_borrow(open)).unwrap_or(u32::MAX)
    }

    fn is_alive(line: &Line) -> Result<(), ErrorCode> {
        if matches!(line.phase, Phase::Ended(_)) { Err(ErrorCode::Closed) } else { Ok(()) }
    }
}

/// The glue is compiled here, too, and never called.
impl From<crate::bindings::sandloop::plugin::sockets::Socket> for Socket {
    fn from(_: crate::bindings::sandloop::plugin::sockets::Socket) -> Socket {
        unreachable!("there is no host on the developer's machine")
    }
}

/// Delivers the events of the connections.
pub(super) fn run_sockets() {
    let mut behind = 0;
    while let Some((number, (_, object), told)) =
        LOOP.with_borrow_mut(|all| all.connections.next_told(behind, all.now))
    {
        match told {
            Told::Completed => object.borrow_mut().connection_completed(),
            Told::Data(data) => object.borrow_mut().receive_data(&data),
        }
        behind = number;
    }
}

/// Starts requested connections: each object is created and gets `post_init` before anybody has answered.
pub(super) fn run_connects() {
    for (token, target) in LOOP.with_borrow_mut(|all| all.connections.take_asked()) {
        let number = LOOP.with_borrow_mut(|all| all.connections.connect(target, all.now));
        let Some(make) = crate::sockets::take_maker(token) else { continue };
        let made = make(PluginSocket::new(Socket::of(number)));
        let is_again = made.is_again;
        let object = own(number, made.socket, made.connection);
        if !is_again {
            object.borrow_mut().post_init();
        }
    }
}

/// Tells of the ends.
pub(super) fn run_unbinds() {
    while let Some(ended) = LOOP.with_borrow_mut(|all| all.connections.next_end()) {
        if let Some(((socket, object), reason)) = ended {
            crate::sockets::unbind(&socket, &object, reason);
        }
    }
}

/// The connection with this number is this object's.
pub(super) fn own(
    number: u32,
    socket: PluginSocket,
    connection: Box<dyn Connection>,
) -> Rc<RefCell<Box<dyn Connection>>> {
    let object = Rc::new(RefCell::new(connection));
    with(number, |line, _| line.object = Some((socket, object.clone())));
    object
}
