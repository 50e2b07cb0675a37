//! A session with its socket and its time.
//!
//! Everything that a session has to say is said from [`Link::run`], outside of any call of the author's: from the
//! socket's callbacks, from a timer, or from a tick that a call has asked for. So no callback of the author's runs
//! inside another one, and what is asked for in one turn leaves in one piece.

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, Hasher, RandomState},
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_amqp::{
    Answer, ChannelId, Delivery as Arrival, Event, Failure, Publish, Request, Returned, Session,
    Settings, Ticket,
};

use super::{
    consumer::Consumer,
    delivery::Delivery,
    dialer::Dialer,
    hooks::{Hook, Hooks},
    operation::Operation,
};
use crate::{
    deferrable::Deferrable,
    reactor::try_next_tick,
    timers::{PeriodicTimer, Timer, try_add_periodic_timer, try_add_timer},
    transport::Transport,
    types::{CloseReason, ErrorCode},
};

/// A session with its socket and its time.
pub(super) struct Link {
    me: Weak<Link>,
    session: RefCell<Session>,
    dialer: Box<dyn Dialer>,
    transport: RefCell<Option<Rc<dyn Transport>>>,
    hooks: RefCell<Hooks>,
    opened: Operation,
    closed: Operation,
    /// What the session said of a connection that it gave up.
    lost: RefCell<Option<String>>,
    /// How often in a row there was no connection.
    failures: Cell<u32>,
    /// Inside `run`.
    running: Cell<bool>,
    /// A tick is asked for.
    scheduled: Cell<bool>,
    pulse: Cell<Option<PeriodicTimer>>,
    /// Ends a connection that does not open, or one that is over and does not end.
    patience: Cell<Option<Timer>>,
    /// Looks whether the socket has room, where the host may not tell.
    poll: Cell<Option<Timer>>,
}

/// Bytes in the socket's outbox above which it gets no more.
const HIGH: usize = 64 * 1024;
/// Bytes that it gets at once.
const PIECE: usize = 64 * 1024;
/// How often to look whether there is room.
const POLL: Duration = Duration::from_millis(50);
/// How long a broker may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

impl Link {
    /// A session that connects at once.
    pub fn start(settings: Settings, dialer: Box<dyn Dialer>) -> Rc<Link> {
        let tls = settings.tls;
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
            patience: Cell::new(None),
            poll: Cell::new(None),
        });
        if tls {
            link.give_up("TLS is not there yet: write amqp:// instead of amqps://");
        } else {
            link.dial();
        }
        link
    }

    // What the author's handles do.

    /// Calls a method of the session; what comes of it is told later.
    pub fn with<R>(&self, call: impl FnOnce(&mut Session) -> R) -> R {
        let result = call(&mut self.session.borrow_mut());
        self.schedule();
        result
    }

    /// The hooks, to be looked at and changed. What is taken out is to be called and dropped afterwards.
    pub fn hooks<R>(&self, change: impl FnOnce(&mut Hooks) -> R) -> R {
        change(&mut self.hooks.borrow_mut())
    }

    pub fn open_channel(&self) -> Result<ChannelId, Failure> {
        self.with(Session::open_channel)
    }

    pub fn request(&self, channel: ChannelId, request: Request) -> Result<Ticket, Failure> {
        self.with(|session| session.request(channel, request))
    }

    pub fn publish(&self, channel: ChannelId, publish: Publish) -> Result<Ticket, Failure> {
        self.with(|session| session.publish(channel, publish))
    }

    pub fn when_answered(
        &self,
        ticket: Ticket,
        answerer: impl FnOnce(Result<Answer, Failure>) + 'static,
    ) {
        self.hooks(|hooks| hooks.answers.insert(ticket, Box::new(answerer)));
    }

    pub fn add_consumer(&self, channel: ChannelId, consumer: &Consumer) {
        let key = (channel, consumer.tag().to_owned());
        let replaced = self.hooks(|hooks| hooks.consumers.insert(key, consumer.clone()));
        drop(replaced);
    }

    pub fn take_consumer(&self, channel: ChannelId, tag: &str) -> Option<Consumer> {
        self.hooks(|hooks| hooks.consumers.remove(&(channel, tag.to_owned())))
    }

    pub fn on_channel_error(&self, channel: ChannelId, action: Box<dyn FnOnce(&Failure)>) {
        if !self.session.borrow().has_channel(channel) {
            return;
        }
        let replaced =
            self.hooks(|hooks| hooks.channels.entry(channel).or_default().error.replace(action));
        drop(replaced);
    }

    pub fn on_return(&self, channel: ChannelId, action: Box<dyn FnMut(&Returned)>) {
        if !self.session.borrow().has_channel(channel) {
            return;
        }
        let replaced =
            self.hooks(|hooks| hooks.channels.entry(channel).or_default().returned.replace(action));
        drop(replaced);
    }

    pub fn opened(&self) -> &Operation {
        &self.opened
    }

    pub fn closed(&self) -> Operation {
        self.closed.clone()
    }

    pub fn close(&self) -> Operation {
        self.with(Session::close);
        self.closed()
    }

    // What happens to the socket.

    pub fn attach(&self, transport: Rc<dyn Transport>) {
        *self.transport.borrow_mut() = Some(transport);
    }

    pub fn connected(&self) {
        self.session.borrow_mut().connected();
        let patience = self.session.borrow().settings().patience;
        self.wait(patience, |link| link.hang_up("the broker did not open the connection in time"));
        self.run();
    }

    pub fn receive(&self, data: &[u8]) {
        self.session.borrow_mut().receive(data);
        self.run();
    }

    pub fn drained(&self) {
        self.run();
    }

    pub fn unbind(&self, reason: CloseReason) {
        let transport = self.transport.take();
        drop(transport);
        self.stop_timers();
        let said = self.lost.take();
        self.disconnected(&said.unwrap_or_else(|| reason.to_string()));
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

    /// There is no connection, and there never will be one.
    fn give_up(&self, reason: &str) {
        self.with(|session| session.give_up(Failure::Lost(reason.to_owned())));
    }

    fn disconnected(&self, reason: &str) {
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

    /// How long to wait before the next connection: twice as long each time, and some chance, so that many clients do
    /// not come back at the same moment.
    fn pause(&self) -> Duration {
        let failures = self.failures.replace(self.failures.get().saturating_add(1));
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

    // What the session has to say.

    /// Has `run` called in a tick, unless it runs or will run.
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
            // As many ticks as the plugin may have are waiting already; a timer does it too.
            self.poll();
        }
    }

    /// Tells what happened and sends what there is, until there is neither.
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
    }

    /// Sends what the socket has room for; true if that was something.
    fn send(&self) -> bool {
        let Some(transport) = self.transport() else { return false };
        let mut session = self.session.borrow_mut();
        let output = session.output();
        if output.is_empty() {
            return false;
        }
        if HIGH < transport.outbound() {
            drop(session);
            self.poll();
            return false;
        }
        let piece = &output[..output.len().min(PIECE)];
        match transport.send(piece) {
            Ok(()) => {
                let length = piece.len();
                session.consume(length);
                true
            }
            Err(ErrorCode::OutboxFull) => {
                drop(session);
                self.poll();
                false
            }
            // It is closed or closing: `unbind` follows.
            Err(_) => false,
        }
    }

    fn tell(&self, event: Event) {
        match event {
            Event::Opened => {
                self.is_open_now();
                self.opened.succeed(());
            }
            Event::Recovered => {
                self.is_open_now();
                self.call(|hooks| Some(&mut hooks.recovered), |hook| hook());
            }
            Event::Answered(ticket, result) => {
                let answerer = self.hooks(|hooks| hooks.answers.remove(&ticket));
                if let Some(answerer) = answerer {
                    answerer(result);
                }
            }
            Event::Delivered(channel, delivery) => self.deliver(channel, *delivery),
            Event::Cancelled(channel, tag) => {
                if let Some(consumer) = self.take_consumer(channel, &tag) {
                    consumer.cancelled();
                }
            }
            Event::Returned(channel, returned) => self.returned(channel, &returned),
            Event::Blocked(reason) => {
                self.call(|hooks| Some(&mut hooks.blocked), |hook| hook(&reason));
            }
            Event::Unblocked => {
                self.call(|hooks| Some(&mut hooks.unblocked), |hook| hook());
            }
            Event::Writable => {
                let actions = self.hooks(|hooks| std::mem::take(&mut hooks.writable));
                actions.into_iter().for_each(|action| action());
            }
            Event::ChannelClosed(channel, failure) => self.channel_closed(channel, &failure),
            Event::Disconnect(reason) => self.disconnect(reason),
            Event::Closed(failure) => self.over(failure),
        }
    }

    fn is_open_now(&self) {
        self.failures.set(0);
        if let Some(patience) = self.patience.take() {
            patience.cancel();
        }
    }

    /// Calls a hook that is kept for the next time, with nothing borrowed; false if there is none.
    fn call<F: ?Sized>(
        &self,
        place: impl Fn(&mut Hooks) -> Option<&mut Hook<F>>,
        call: impl FnOnce(&mut F),
    ) -> bool {
        let Some(mut hook) = self.hooks(|hooks| place(hooks)?.take()) else { return false };
        call(&mut hook);
        // It may have put another one in its place, or ended what it belongs to.
        let unused = self.hooks(|hooks| match place(hooks) {
            Some(empty @ None) => empty.replace(hook),
            _ => Some(hook),
        });
        drop(unused);
        true
    }

    fn deliver(&self, channel: ChannelId, arrival: Arrival) {
        let key = (channel, arrival.consumer.clone());
        let consumer = self.hooks(|hooks| hooks.consumers.get(&key).cloned());
        if let (Some(consumer), Some(me)) = (consumer, self.me.upgrade()) {
            consumer.deliver(Delivery::new(me, arrival));
        }
    }

    fn returned(&self, channel: ChannelId, returned: &Returned) {
        let told = self.call(
            |hooks| Some(&mut hooks.channels.get_mut(&channel)?.returned),
            |hook| hook(returned),
        );
        if !told {
            let Returned { code, text, exchange, routing_key, .. } = returned;
            crate::warn!(
                "a message to {exchange:?} with the key {routing_key:?} came back: {code} {text}"
            );
        }
    }

    fn channel_closed(&self, channel: ChannelId, failure: &Failure) {
        let (hooks, consumers) = self.hooks(|hooks| {
            let gone: Vec<_> =
                hooks.consumers.keys().filter(|key| key.0 == channel).cloned().collect();
            let consumers: Vec<_> =
                gone.iter().filter_map(|key| hooks.consumers.remove(key)).collect();
            (hooks.channels.remove(&channel), consumers)
        });
        match hooks.and_then(|hooks| hooks.error) {
            Some(action) => action(failure),
            None if matches!(failure, Failure::Closed) => {}
            None => crate::warn!("{failure}"),
        }
        drop(consumers);
    }

    /// The session wants another connection.
    fn disconnect(&self, reason: String) {
        *self.lost.borrow_mut() = Some(reason);
        while self.send() {}
        if let Some(transport) = self.transport() {
            transport.close_after_writing();
        }
    }

    fn over(&self, failure: Option<Failure>) {
        while self.send() {}
        self.stop_timers();
        let mut hooks = self.hooks(std::mem::take);
        if let Some(failure) = &failure {
            let channels = std::mem::take(&mut hooks.channels).into_values();
            channels.filter_map(|hooks| hooks.error).for_each(|action| action(failure));
        }
        if let Some(transport) = self.transport() {
            match failure {
                // The broker has said goodbye.
                None => transport.close_after_writing(),
                // What it still sends is not read, but waited for: closing at once would be a reset, and could take
                // along what was said last.
                Some(_) => {
                    transport.half_close();
                    self.wait(GOODBYE, |link| link.hang_up("the broker did not say goodbye"));
                }
            }
        }
        match failure {
            None => {
                self.closed.succeed(());
                if !self.opened.is_settled() {
                    self.opened.fail(Failure::Closed);
                }
            }
            Some(failure) => {
                if !self.opened.is_settled() {
                    self.opened.fail(failure.clone());
                }
                self.closed.fail(failure);
            }
        }
        drop(hooks);
    }

    // The time.

    fn keep_pulse(&self) {
        const MILLISECONDS: u64 = 1000;
        let heartbeat = match self.session.borrow() {
            session if session.is_over() || session.is_idle() => 0,
            session => u64::from(session.heartbeat()),
        };
        let pulse = self.pulse.take();
        if pulse.is_some() || heartbeat == 0 {
            return self.pulse.set(pulse);
        }
        let me = self.me.clone();
        let timer = try_add_periodic_timer(
            Duration::from_millis(heartbeat * MILLISECONDS / 2),
            move || {
                if let Some(me) = me.upgrade() {
                    me.session.borrow_mut().beat();
                    me.run();
                }
            },
        );
        match timer {
            Ok(timer) => self.pulse.set(Some(timer)),
            Err(error) => crate::error!("no timer for the heartbeats: {error}"),
        }
    }

    /// Does `action` after a time, instead of what is waited for now. Holds the link until then: what waits for the
    /// next connection is done even where nobody else knows it any more.
    fn wait(&self, time: Duration, action: impl FnOnce(&Link) + 'static) {
        let Some(me) = self.me.upgrade() else { return };
        let timer = try_add_timer(time, move || {
            me.patience.set(None);
            action(&me);
        });
        let timer = timer.map_err(|error| crate::error!("no timer for the broker: {error}"));
        if let Some(before) = self.patience.replace(timer.ok()) {
            before.cancel();
        }
    }

    fn poll(&self) {
        let waiting = self.poll.take();
        if waiting.is_some() {
            return self.poll.set(waiting);
        }
        let me = self.me.clone();
        let timer = try_add_timer(POLL, move || {
            if let Some(me) = me.upgrade() {
                me.poll.set(None);
                me.run();
            }
        });
        match timer {
            Ok(timer) => self.poll.set(Some(timer)),
            Err(error) => crate::error!("no timer to look for room: {error}"),
        }
    }

    fn stop_timers(&self) {
        if let Some(pulse) = self.pulse.take() {
            pulse.cancel();
        }
        for timer in [self.patience.take(), self.poll.take()].into_iter().flatten() {
            timer.cancel();
        }
    }
}
