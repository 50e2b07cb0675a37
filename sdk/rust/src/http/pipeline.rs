//! The answers of one connection, sent in the order of their requests, whatever order they are made in.
//!
//! Each request gets a [`Slot`]. What is written to the first slot is sent; what is written to another one is
//! buffered until those before it are finished. No code of the plugin is called or dropped while the state is
//! borrowed, because it may use any answer.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use super::{settings::Settings, websocket::Upgraded};
use crate::{
    reactor::try_next_tick,
    timers::{Timer, try_add_timer},
    transport::Transport,
    types::ErrorCode,
};

/// The slots of one connection. Clones are the same.
#[derive(Clone)]
pub(crate) struct Pipeline(Rc<RefCell<Inner>>);

struct Inner {
    transport: Rc<dyn Transport>,
    settings: Settings,
    slots: VecDeque<Held>,
    /// The number of the first slot.
    first: u64,
    /// Output that goes out in one piece at the end of the present callback.
    out: Vec<u8>,
    /// A callback of the connection runs, and will flush.
    corked: bool,
    /// Answers are due, and the connection stays although nothing moves.
    waiting: bool,
    state: State,
    /// Calls the session when it can go on.
    wake: Option<Rc<dyn Fn()>>,
    /// The session has stopped reading and wants to be called when it can go on.
    throttled: bool,
    /// The slots include the last answer: no more requests are read.
    last: bool,
    /// Looks again whether the peer has caught up.
    poll: Option<Timer>,
    /// The plugin has paused the body that is coming.
    paused: bool,
    /// Makes what the connection belongs to after the last answer.
    upgrade: Option<Upgrade>,
}

/// Makes the other protocol of a connection.
pub(super) type Upgrade = Box<dyn FnOnce(Rc<dyn Transport>) -> Box<dyn Upgraded>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The last answer is sent; the connection closes.
    Ending,
    /// It belongs to another protocol.
    Upgraded,
    Closed,
}

/// The state of one slot.
#[derive(Default)]
struct Held {
    /// What waits for its turn.
    bytes: Vec<u8>,
    /// Whether something of the answer was written, be it before its turn.
    begun: bool,
    /// The request's body is still coming.
    body_pending: bool,
    after: Option<AfterResponse>,
    /// Called when more can be written.
    resume: Option<Box<dyn FnOnce()>>,
}

/// What the connection does after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterResponse {
    /// Sends the next one.
    Keep,
    /// Closes. The client has sent everything.
    Close,
    /// Closes for writing first, because the client is still sending.
    Linger,
    /// Speaks another protocol.
    Upgrade,
}

/// Above this an answer's producer should wait; the host's own mark is no lower unless the operator says so.
const HIGH: usize = 64 * 1024;
/// Pieces up to this size are copied into one buffer; larger ones are sent on their own.
const JOINED: usize = 64 * 1024;
/// The largest output buffer that one callback leaves for the next.
const KEPT: usize = 16 * 1024;
/// How often to look whether the peer has caught up where the operator has moved the marks, so that the host
/// may not tell.
const POLL: Duration = Duration::from_millis(100);

impl Pipeline {
    pub fn new(transport: Rc<dyn Transport>, settings: Settings) -> Pipeline {
        Pipeline(Rc::new(RefCell::new(Inner {
            transport,
            settings,
            slots: VecDeque::new(),
            first: 0,
            out: Vec::new(),
            corked: false,
            waiting: false,
            state: State::Open,
            wake: None,
            throttled: false,
            last: false,
            poll: None,
            paused: false,
            upgrade: None,
        })))
    }

    /// Who is to be called, in a tick of its own, when the session can go on.
    pub fn on_wake(&self, wake: impl Fn() + 'static) {
        self.0.borrow_mut().wake = Some(Rc::new(wake));
    }

    /// Adds a slot, for the next request.
    pub fn begin(&self) -> Slot {
        let mut inner = self.0.borrow_mut();
        let number = inner.first + inner.slots.len() as u64;
        inner.slots.push_back(Held::default());
        Slot { pipeline: self.clone(), number }
    }

    /// Runs `work` and sends all that it writes at once.
    pub fn cork<T>(&self, work: impl FnOnce() -> T) -> T {
        let was_corked = std::mem::replace(&mut self.0.borrow_mut().corked, true);
        let result = work();
        if !was_corked {
            let mut inner = self.0.borrow_mut();
            inner.corked = false;
            inner.flush();
            inner.settle();
        }
        result
    }

    /// Whether requests are still taken.
    pub fn takes_requests(&self) -> bool {
        let inner = self.0.borrow();
        inner.state == State::Open && !inner.last
    }

    /// Whether the number of unanswered requests has reached its limit.
    pub fn is_full(&self) -> bool {
        let inner = self.0.borrow();
        inner.settings.pipeline <= inner.slots.len()
    }

    /// The peer is not read from until the session is called, which it is when an answer is complete.
    pub fn throttle(&self) {
        let mut inner = self.0.borrow_mut();
        if !std::mem::replace(&mut inner.throttled, true) && !inner.paused {
            inner.transport.pause();
        }
    }

    /// What the connection belongs to from now on, once.
    pub fn take_upgrade(&self) -> Option<(Upgrade, Rc<dyn Transport>)> {
        let mut inner = self.0.borrow_mut();
        if inner.state != State::Upgraded {
            return None;
        }
        let make = inner.upgrade.take()?;
        Some((make, inner.transport.clone()))
    }

    /// It will belong to another protocol when the answers before are complete.
    pub fn is_upgrading(&self) -> bool {
        self.0.borrow().upgrade.is_some()
    }

    /// Whether the plugin has paused the body that is coming.
    pub fn is_paused(&self) -> bool {
        self.0.borrow().paused
    }

    /// The plugin wants no more of the body that is coming, or wants it again.
    pub fn pause(&self, paused: bool) {
        let mut inner = self.0.borrow_mut();
        if inner.paused == paused || inner.state != State::Open {
            return;
        }
        inner.paused = paused;
        if paused && !inner.throttled {
            inner.transport.pause();
        }
        if !paused {
            inner.wake();
        }
    }

    /// Continues what waits for room, after the peer has caught up or another slot has become the first.
    pub fn advance(&self) {
        loop {
            let (finished, resume) = {
                let mut inner = self.0.borrow_mut();
                let finished = inner.pop_finished();
                (finished, inner.take_resume())
            };
            drop(finished);
            match resume {
                Some(resume) => resume(),
                None => break,
            }
        }
        self.cork(|| {});
    }

    /// The connection is gone.
    pub fn close(&self) {
        let gone = {
            let mut inner = self.0.borrow_mut();
            inner.state = State::Closed;
            inner.wake = None;
            inner.cancel_poll();
            (std::mem::take(&mut inner.slots), inner.upgrade.take())
        };
        drop(gone);
    }
}

/// One request's position among the answers. Clones are the same slot; what is written to a finished one is
/// discarded.
#[derive(Clone)]
pub(crate) struct Slot {
    pipeline: Pipeline,
    number: u64,
}

impl Slot {
    /// Lets `write` add to the output.
    pub fn write<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> T) -> Option<T> {
        let mut inner = self.pipeline.0.borrow_mut();
        let (is_first, held) = inner.held(self.number)?;
        held.begun = true;
        let written = if is_first { write(&mut inner.out) } else { write(&mut held.bytes) };
        inner.flush_unless_corked();
        Some(written)
    }

    /// Writes an answer before the answer, such as `100 Continue`.
    pub fn write_interim(&self, bytes: &[u8]) {
        let mut inner = self.pipeline.0.borrow_mut();
        let Some((is_first, held)) = inner.held(self.number) else { return };
        if is_first {
            inner.out.extend_from_slice(bytes);
            inner.flush_unless_corked();
        } else {
            held.bytes.extend_from_slice(bytes);
        }
    }

    /// Sends bytes as they are, without a copy if they are many.
    pub fn send(&self, bytes: &[u8]) {
        if bytes.len() <= JOINED {
            self.write(|out| out.extend_from_slice(bytes));
            return;
        }
        let mut inner = self.pipeline.0.borrow_mut();
        let Some((is_first, held)) = inner.held(self.number) else { return };
        held.begun = true;
        if is_first {
            inner.flush();
            inner.transmit(bytes);
        } else {
            held.bytes.extend_from_slice(bytes);
        }
    }

    /// The answer is complete.
    pub fn finish(&self, after: AfterResponse) {
        {
            let mut inner = self.pipeline.0.borrow_mut();
            let Some((_, held)) = inner.held(self.number) else { return };
            let lingers = after == AfterResponse::Close && held.body_pending;
            held.after = Some(if lingers { AfterResponse::Linger } else { after });
            inner.last |= after != AfterResponse::Keep;
        }
        self.pipeline.advance();
    }

    /// The answer is complete, and what `make` makes has the connection after it.
    pub fn upgrade(&self, make: Upgrade) {
        self.pipeline.0.borrow_mut().upgrade = Some(make);
        self.finish(AfterResponse::Upgrade);
    }

    /// Whether the answer can still be given.
    pub fn is_open(&self) -> bool {
        self.pipeline.0.borrow_mut().held(self.number).is_some()
    }

    /// Whether something of the answer was written.
    pub fn is_begun(&self) -> bool {
        self.pipeline.0.borrow_mut().held(self.number).is_none_or(|(_, held)| held.begun)
    }

    /// Says whether the request's body is still coming.
    pub fn set_body_pending(&self, pending: bool) {
        if let Some((_, held)) = self.pipeline.0.borrow_mut().held(self.number) {
            held.body_pending = pending;
        }
    }

    /// Whether the request's body is still coming.
    pub fn is_body_pending(&self) -> bool {
        self.pipeline.0.borrow_mut().held(self.number).is_some_and(|(_, held)| held.body_pending)
    }

    /// Whether the client keeps up with what is written.
    pub fn has_room(&self) -> bool {
        self.pipeline.0.borrow_mut().has_room(self.number)
    }

    /// Calls `resume` once there is room; in a tick if there is room now.
    pub fn when_room(&self, resume: impl FnOnce() + 'static) {
        let mut inner = self.pipeline.0.borrow_mut();
        let has_room = inner.has_room(self.number);
        let Some((is_first, held)) = inner.held(self.number) else { return };
        let replaced = held.resume.replace(Box::new(resume));
        if has_room {
            let pipeline = Rc::downgrade(&self.pipeline.0);
            inner.tick(move || advance(&pipeline));
        } else if is_first {
            // A client that does not read has the timeout of an idle one.
            let idle = inner.settings.idle_timeout;
            inner.transport.set_inactivity_timeout(idle);
            inner.poll(&Rc::downgrade(&self.pipeline.0));
        }
        drop(inner);
        drop(replaced);
    }

    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub fn settings(&self) -> Settings {
        self.pipeline.0.borrow().settings
    }
}

fn advance(pipeline: &Weak<RefCell<Inner>>) {
    if let Some(inner) = pipeline.upgrade() {
        Pipeline(inner).advance();
    }
}

impl Inner {
    /// The slot with this number unless it is finished, and whether it is the first.
    fn held(&mut self, number: u64) -> Option<(bool, &mut Held)> {
        if self.state != State::Open {
            return None;
        }
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let held = self.slots.get_mut(index)?;
        held.after.is_none().then_some((index == 0, held))
    }

    fn has_room(&mut self, number: u64) -> bool {
        match self.held(number) {
            None => false,
            Some((false, held)) => held.bytes.len() < HIGH,
            Some((true, _)) => self.out.len() + self.transport.outbound() <= HIGH,
        }
    }

    /// Removes the finished slots at the front; the next one is the first then, and its buffer is sent.
    fn pop_finished(&mut self) -> Vec<Held> {
        let mut finished = Vec::new();
        while let Some(after) = self.slots.front().and_then(|held| held.after)
            && self.state == State::Open
        {
            finished.extend(self.slots.pop_front());
            self.first += 1;
            match after {
                AfterResponse::Keep => {}
                AfterResponse::Close | AfterResponse::Linger => {
                    finished.extend(self.slots.drain(..));
                    self.end(after);
                    break;
                }
                AfterResponse::Upgrade => {
                    self.flush();
                    self.state = State::Upgraded;
                    self.wake();
                    break;
                }
            }
            if let Some(next) = self.slots.front_mut() {
                let bytes = std::mem::take(&mut next.bytes);
                self.emit(&bytes);
            }
            if self.throttled {
                self.wake();
            }
        }
        finished
    }

    fn take_resume(&mut self) -> Option<Box<dyn FnOnce()>> {
        let first = self.first;
        self.slots.front()?.resume.as_ref()?;
        if !self.has_room(first) {
            return None;
        }
        self.cancel_poll();
        if self.waiting {
            self.transport.set_inactivity_timeout(Duration::ZERO);
        }
        self.slots.front_mut()?.resume.take()
    }

    /// Ends the connection: no answer follows.
    fn end(&mut self, after: AfterResponse) {
        self.flush();
        self.cancel_poll();
        if self.state != State::Open {
            return;
        }
        self.state = State::Ending;
        self.transport.set_inactivity_timeout(self.settings.idle_timeout);
        if self.paused || self.throttled {
            self.transport.resume();
        }
        if after == AfterResponse::Linger && !self.transport.peer_finished() {
            // If it closed now, what the client still sends would cause a reset, and it might lose the answer.
            self.transport.keep_half_open(false);
            self.transport.half_close();
            let transport = self.transport.clone();
            if try_add_timer(self.settings.linger, move || transport.close()).is_ok() {
                return;
            }
        }
        self.transport.close_after_writing();
    }

    /// Sends bytes of the first slot.
    fn emit(&mut self, bytes: &[u8]) {
        if self.corked && self.out.len() + bytes.len() <= JOINED {
            self.out.extend_from_slice(bytes);
        } else {
            self.flush();
            self.transmit(bytes);
        }
    }

    fn flush_unless_corked(&mut self) {
        if !self.corked || JOINED < self.out.len() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.out.is_empty() {
            let out = std::mem::take(&mut self.out);
            self.transmit(&out);
            // Reuses the buffer: the usual answer fits.
            if out.capacity() <= KEPT {
                self.out = out;
                self.out.clear();
            }
        }
    }

    fn transmit(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self.transport.send(bytes) {
            Ok(()) => {}
            Err(ErrorCode::OutboxFull) => {
                let (id, length) = (self.transport.id(), bytes.len());
                crate::error!(
                    "connection {id}: its outbox has no room for {length} bytes; closing it. Send large answers \
                     in pieces, or raise `limits.outbox_max`"
                );
                self.transport.close();
                self.state = State::Closed;
            }
            // `unbind` follows, or is there.
            Err(_) => self.state = State::Closed,
        }
    }

    /// Sets the idle timeout at the end of a callback: none while an answer is due.
    fn settle(&mut self) {
        // A client whose body is incomplete does not wait for an answer yet; if it ends now, it never will.
        let due = self.slots.iter().any(|held| !held.body_pending);
        if due == self.waiting || self.state != State::Open {
            return;
        }
        self.waiting = due;
        self.transport.keep_half_open(due);
        if due {
            self.transport.set_inactivity_timeout(Duration::ZERO);
            return;
        }
        self.transport.set_inactivity_timeout(self.settings.idle_timeout);
        if self.transport.peer_finished() {
            self.state = State::Ending;
            self.transport.close_after_writing();
        }
    }

    /// Calls the session in a tick of its own, because this may run inside one of its callbacks.
    fn wake(&mut self) {
        self.throttled = false;
        if !self.paused {
            self.transport.resume();
        }
        if let Some(wake) = self.wake.clone() {
            self.tick(move || wake());
        }
    }

    fn tick(&mut self, action: impl FnOnce() + 'static) {
        if try_next_tick(action).is_err() {
            let id = self.transport.id();
            crate::error!("connection {id}: closing it, because there are too many ticks");
            self.transport.close();
            self.state = State::Closed;
        }
    }

    fn poll(&mut self, pipeline: &Weak<RefCell<Inner>>) {
        if self.poll.is_some() {
            return;
        }
        let pipeline = pipeline.clone();
        let timer = try_add_timer(POLL, move || {
            if let Some(inner) = pipeline.upgrade() {
                inner.borrow_mut().poll = None;
                Pipeline(inner.clone()).advance();
                let mut inner = inner.borrow_mut();
                if inner.slots.front().is_some_and(|held| held.resume.is_some()) {
                    inner.poll(&pipeline);
                }
            }
        });
        // Without a timer, the host's `drained` still continues it.
        self.poll = timer.ok();
    }

    fn cancel_poll(&mut self) {
        if let Some(timer) = self.poll.take() {
            timer.cancel();
        }
    }
}
