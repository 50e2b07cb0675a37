//! A session with its socket and its timers.
//!
//! Only [`Link::run`] delivers the session's events, and never inside a call of the plugin: it runs in the socket's
//! callbacks, in a timer, or in a tick that a call has scheduled. So no callback of the plugin runs inside another
//! one, and the requests of one turn are sent together.

mod events;
mod time;

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, Hasher, RandomState},
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_amqp::{
    Answer, ChannelId, Failure, Publish, Request, Returned, Session, Settings, Ticket,
};

use super::{
    consumer::Consumer,
    dialer::Dialer,
    hooks::{ChannelHooks, Hooks},
    kept::Kept,
    operation::Operation,
};
use crate::{
    reactor::try_next_tick,
    timers::{PeriodicTimer, Timer},
    tls::TlsClient,
    transport::{
        Transport,
        room::{Pace, fill},
    },
    types::{CloseReason, ErrorCode},
};

/// A session with its socket and its timers.
pub(super) struct Link {
    me: Weak<Link>,
    session: RefCell<Session>,
    dialer: Box<dyn Dialer>,
    transport: RefCell<Option<Rc<dyn Transport>>>,
    hooks: RefCell<Hooks>,
    opened: Operation,
    closed: Operation,
    /// Why the session has given the connection up.
    lost: RefCell<Option<String>>,
    /// The number of failed connections in a row.
    failures: Cell<u32>,
    /// Inside `run`.
    running: Cell<bool>,
    /// A tick is scheduled.
    scheduled: Cell<bool>,
    pulse: Cell<Option<PeriodicTimer>>,
    /// The timer of [`wait`](Self::wait): a timeout, or the time until the next connection.
    waiting: Cell<Option<Timer>>,
    /// Polls for room in the socket, because the host may not report it.
    poll: Cell<Option<Timer>>,
    pace: Pace,
    /// Runs until an open connection counts as lasting.
    lasting: Cell<Option<Timer>>,
    /// The present connection was open.
    was_open: Cell<bool>,
}

/// The timeout for the broker's end of a closed connection, and for its answer to `connection.close`, as long as it takes
/// nothing of what is before that.
const GOODBYE: Duration = Duration::from_secs(5);

impl Link {
    /// A session that connects at once.
    pub(crate) fn start(settings: Settings, dialer: Box<dyn Dialer>) -> Rc<Link> {
        let link = Rc::new_cyclic(|me| Link {
            me: me.clone(),
            session: RefCell::new(Session::new(settings)),
            dialer,
            transport: RefCell::new(None),
            hooks: RefCell::default(),
            opened: Operation::new(),
            closed: Operation::new(),
            lost: RefCell::new(None),
            failures: Cell::new(0),
            running: Cell::new(false),
            scheduled: Cell::new(false),
            pulse: Cell::new(None),
            waiting: Cell::new(None),
            poll: Cell::new(None),
            pace: Pace::default(),
            lasting: Cell::new(None),
            was_open: Cell::new(false),
        });
        link.dial();
        link
    }

    // Called by the plugin's handles.

    /// Calls a method of the session. Its events are delivered later.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut Session) -> R) -> R {
        let result = call(&mut self.session.borrow_mut());
        self.schedule();
        result
    }

    /// Borrows the hooks. What `work` takes out must be called and dropped after it.
    pub(crate) fn hooks<R>(&self, change: impl FnOnce(&mut Hooks) -> R) -> R {
        change(&mut self.hooks.borrow_mut())
    }

    pub(crate) fn open_channel(&self) -> Result<ChannelId, Failure> {
        self.with(Session::open_channel)
    }

    pub(crate) fn request(&self, channel: ChannelId, request: Request) -> Result<Ticket, Failure> {
        self.with(|session| session.request(channel, request))
    }

    pub(crate) fn publish(&self, channel: ChannelId, publish: Publish) -> Result<Ticket, Failure> {
        self.with(|session| session.publish(channel, publish))
    }

    pub(crate) fn when_answered(
        &self,
        ticket: Ticket,
        answerer: impl FnOnce(Result<Answer, Failure>) + 'static,
    ) {
        self.hooks(|hooks| hooks.answers.insert(ticket, Box::new(answerer)));
    }

    pub(crate) fn add_consumer(&self, channel: ChannelId, consumer: &Consumer) {
        let key = (channel, consumer.tag().to_owned());
        let replaced = self.hooks(|hooks| hooks.consumers.insert(key, consumer.clone()));
        drop(replaced);
    }

    pub(crate) fn take_consumer(&self, channel: ChannelId, tag: &str) -> Option<Consumer> {
        self.hooks(|hooks| hooks.consumers.remove(&(channel, tag.to_owned())))
    }

    pub(crate) fn on_channel_error(&self, channel: ChannelId, action: Box<dyn FnOnce(&Failure)>) {
        let replaced = self.channel_hooks(channel, |hooks| hooks.error.replace(action));
        drop(replaced);
    }

    pub(crate) fn on_return(&self, channel: ChannelId, action: Box<dyn FnMut(&Returned)>) {
        let replaced = self.channel_hooks(channel, |hooks| hooks.returned.replace(action));
        drop(replaced);
    }

    /// The hooks of a channel, if it is there.
    fn channel_hooks<R>(
        &self,
        channel: ChannelId,
        change: impl FnOnce(&mut ChannelHooks) -> R,
    ) -> Option<R> {
        let is_there = self.session.borrow().has_channel(channel);
        is_there.then(|| self.hooks(|hooks| change(hooks.channels.entry(channel).or_default())))
    }

    /// Has a channel made again when the broker has ended it.
    pub(crate) fn keep(&self, channel: ChannelId, kept: Rc<Kept>) {
        self.channel_hooks(channel, |hooks| hooks.kept = Some(kept));
    }

    pub(crate) fn backoff_max(&self) -> Duration {
        self.session.borrow().settings().backoff_max
    }

    pub(crate) fn opened(&self) -> &Operation {
        &self.opened
    }

    pub(crate) fn closed(&self) -> Operation {
        self.closed.clone()
    }

    pub(crate) fn close(&self) -> Operation {
        self.with(Session::close);
        self.closed()
    }

    // Called by the socket.

    pub(crate) fn attach(&self, transport: Rc<dyn Transport>) {
        *self.transport.borrow_mut() = Some(transport);
    }

    pub(crate) fn connected(&self) {
        if let Err(error) = self.begin_tls() {
            return self.refused_tls(error);
        }
        self.session.borrow_mut().connected();
        let timeout = self.session.borrow().settings().connection_timeout;
        self.wait(timeout, |link| link.hang_up("the broker did not open the connection in time"));
        self.run();
    }

    pub(crate) fn receive(&self, data: &[u8]) {
        self.session.borrow_mut().receive(data);
        self.run();
    }

    pub(crate) fn drained(&self) {
        self.run();
    }

    pub(crate) fn unbind(&self, reason: CloseReason) {
        let transport = self.transport.take();
        let failure = transport.as_ref().and_then(|transport| transport.tls_failure());
        drop(transport);
        self.stop_timers();
        if reason == CloseReason::Stopped {
            // The host ends, and everything with it: there will be no other connection.
            self.session.borrow_mut().abort();
            return self.run();
        }
        let said = self.lost.take().or_else(|| failure.map(|it| format!("no TLS: {}", it.words)));
        self.disconnected(&said.unwrap_or_else(|| reason.to_string()));
    }

    /// Starts TLS if the broker requires it: bytes sent from now on wait for the handshake.
    fn begin_tls(&self) -> Result<(), ErrorCode> {
        let session = self.session.borrow();
        let Settings { host, tls, tls_profile, .. } = session.settings();
        let Some(transport) = self.transport().filter(|_| *tls) else { return Ok(()) };
        let client = TlsClient::new(host);
        let client = match tls_profile {
            Some(profile) => client.profile(profile),
            None => client,
        };
        transport.start_tls(client)
    }

    /// The host begins no TLS: with the same settings it will not the next time either, unless it was for want of room.
    fn refused_tls(&self, error: ErrorCode) {
        let reason = format!("the host begins no TLS: {}", error.name());
        self.hang_up(&reason);
        if error != ErrorCode::Limit {
            self.give_up(&reason);
        }
    }

    fn dial(&self) {
        let Some(me) = self.me.upgrade() else { return };
        match self.dialer.dial(&me) {
            Ok(()) => {}
            Err(ErrorCode::Limit) => {
                self.disconnected("the plugin has as many connections as it may");
            }
            Err(ErrorCode::Denied) => self.give_up("`allow.connect` does not list the broker"),
            Err(error) => self.give_up(&format!("the broker's address is none: {error}")),
        }
    }

    /// Ends the session, because there never will be a connection.
    fn give_up(&self, reason: &str) {
        self.with(|session| session.give_up(Failure::Lost(reason.to_owned())));
    }

    fn disconnected(&self, reason: &str) {
        // One that was open begins anew, unless it came to its end by a fault, which may come again.
        if self.was_open.take() && !self.session.borrow().is_faulty() {
            self.failures.set(0);
        }
        self.session.borrow_mut().disconnected(reason);
        if self.session.borrow().is_idle() {
            let pause = self.pause();
            self.interrupted(reason, pause);
            self.wait(pause, |link| {
                // The plugin may have closed it meanwhile.
                if link.session.borrow().is_idle() {
                    link.dial();
                }
            });
        }
        self.run();
    }

    /// The time until the next connection.
    fn pause(&self) -> Duration {
        self.pause_after(&self.failures)
    }

    /// A time that doubles each time, with some jitter, so that many clients do not reconnect at the same moment.
    pub(crate) fn pause_after(&self, failures: &Cell<u32>) -> Duration {
        let failures = failures.replace(failures.get().saturating_add(1));
        let session = self.session.borrow();
        let Settings { backoff, backoff_max, .. } = session.settings();
        let pause = backoff.saturating_mul(1 << failures.min(16)).min(*backoff_max);
        let chance = RandomState::new().build_hasher().finish() % 256;
        // Three quarters to five quarters of it.
        pause.mul_f64(0.75 + chance as f64 / 512.0)
    }

    fn interrupted(&self, reason: &str, pause: Duration) {
        if self.call(|hooks| Some(&mut hooks.interrupted), |hook| hook(reason, pause)) {
            return;
        }
        let session = self.session.borrow();
        let Settings { host, port, .. } = session.settings();
        crate::warn!("no connection to the broker at {host}:{port}: {reason}; again in {pause:?}");
    }

    /// Ends the connection; `unbind` follows.
    fn hang_up(&self, reason: &str) {
        *self.lost.borrow_mut() = Some(reason.to_owned());
        if let Some(transport) = self.transport() {
            transport.close();
        }
    }

    fn transport(&self) -> Option<Rc<dyn Transport>> {
        self.transport.borrow().clone()
    }

    // Delivers the events of the session.

    /// Schedules `run` in a tick, unless it runs or is scheduled.
    fn schedule(&self) {
        if self.running.get() || self.scheduled.get() {
            return;
        }
        let me = self.me.clone();
        let tick = try_next_tick(move || {
            if let Some(me) = me.upgrade() {
                me.scheduled.set(false);
                me.run();
            }
        });
        self.scheduled.set(tick.is_ok());
        if tick.is_err() {
            // The plugin's limit of ticks is reached; a timer does the same.
            self.poll();
        }
    }

    /// Delivers events and sends output until there are none.
    fn run(&self) {
        if self.running.replace(true) {
            return;
        }
        loop {
            let event = self.session.borrow_mut().next_event();
            match event {
                Some(event) => self.tell(event),
                None if self.send() => {}
                None => break,
            }
        }
        self.running.set(false);
        self.keep_pulse();
        self.await_goodbye();
    }

    /// Sends as much as the socket has room for. True if it has sent anything.
    fn send(&self) -> bool {
        let Some(transport) = self.transport() else { return false };
        let mut session = self.session.borrow_mut();
        let output = session.output();
        if output.is_empty() {
            return false;
        }
        // If it fails it is closed or closing: `unbind` follows.
        let Ok(sent) = fill(&*transport, output) else { return false };
        let waits = sent < output.len();
        session.consume(sent);
        drop(session);
        if waits {
            self.poll();
        }
        0 < sent
    }
}
