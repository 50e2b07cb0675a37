//! The answers of one connection, sent in the order of their requests, whatever order they are made in.
//!
//! Each request gets a [`Place`]. What is written in the first place goes out; what is written in another one
//! is kept until those before it are finished. Nothing of the plugin's is called or dropped while the state is
//! borrowed: it may do anything with any answer.

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

/// The places of one connection. Clones are the same.
#[derive(Clone)]
pub(crate) struct Pipeline(Rc<RefCell<Inner>>);

struct Inner {
    transport: Rc<dyn Transport>,
    settings: Settings,
    places: VecDeque<Held>,
    /// The number of the first place.
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
    /// The last answer is among the places: nothing more is to be read.
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

/// One request's place.
#[derive(Default)]
struct Held {
    /// What waits for its turn.
    bytes: Vec<u8>,
    /// Whether something of the answer was written, be it before its turn.
    begun: bool,
    /// The request's body is still coming.
    body_pending: bool,
    fate: Option<Fate>,
    /// To be called when there is room for more.
    resume: Option<Box<dyn FnOnce()>>,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The next one.
    Keep,
    /// The end of the connection, which is the client's business too: it has sent everything.
    Close,
    /// The end, while the client is still sending.
    Linger,
    /// Another protocol.
    Upgrade,
}

/// Above this an answer's producer should wait; the host's own mark is no lower unless the operator says so.
const HIGH: usize = 64 * 1024;
/// Pieces up to this size are copied together, larger ones are sent as they are.
const JOINED: usize = 64 * 1024;
/// What the output of one callback may leave behind for that of the next.
const KEPT: usize = 16 * 1024;
/// How often to look whether the peer has caught up where the operator has moved the marks, so that the host
/// may not tell.
const POLL: Duration = Duration::from_millis(100);

impl Pipeline {
    pub fn new(transport: Rc<dyn Transport>, settings: Settings) -> Pipeline {
        Pipeline(Rc::new(RefCell::new(Inner {
            transport,
            settings,
            places: VecDeque::new(),
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

    /// A place for one more request.
    pub fn begin(&self) -> Place {
        let mut inner = self.0.borrow_mut();
        let number = inner.first + inner.places.len() as u64;
        inner.places.push_back(Held::default());
        Place { pipeline: self.clone(), number }
    }

    /// What `work` writes goes out in one piece.
    pub fn together<T>(&self, work: impl FnOnce() -> T) -> T {
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

    /// As many requests wait for their answers as may.
    pub fn is_full(&self) -> bool {
        let inner = self.0.borrow();
        inner.settings.pipeline <= inner.places.len()
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

    /// The peer has caught up, or a place has become the first: goes on with whoever waits for that.
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
        self.together(|| {});
    }

    /// The connection is gone.
    pub fn close(&self) {
        let gone = {
            let mut inner = self.0.borrow_mut();
            inner.state = State::Closed;
            inner.wake = None;
            inner.cancel_poll();
            (std::mem::take(&mut inner.places), inner.upgrade.take())
        };
        drop(gone);
    }
}

/// One request's place among the answers. Clones are the same place; what is written in one that is finished
/// goes nowhere.
#[derive(Clone)]
pub(crate) struct Place {
    pipeline: Pipeline,
    number: u64,
}

impl Place {
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
    pub fn finish(&self, fate: Fate) {
        {
            let mut inner = self.pipeline.0.borrow_mut();
            let Some((_, held)) = inner.held(self.number) else { return };
            let lingers = fate == Fate::Close && held.body_pending;
            held.fate = Some(if lingers { Fate::Linger } else { fate });
            inner.last |= fate != Fate::Keep;
        }
        self.pipeline.advance();
    }

    /// The answer is complete, and what `make` makes has the connection after it.
    pub fn upgrade(&self, make: Upgrade) {
        self.pipeline.0.borrow_mut().upgrade = Some(make);
        self.finish(Fate::Upgrade);
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

    /// Whether the client keeps up, so that it is worth producing more.
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
            // While the client does not read, it has as long as an idle one.
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
    /// An answer that is not finished, and whether it is its turn.
    fn held(&mut self, number: u64) -> Option<(bool, &mut Held)> {
        if self.state != State::Open {
            return None;
        }
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let held = self.places.get_mut(index)?;
        held.fate.is_none().then_some((index == 0, held))
    }

    fn has_room(&mut self, number: u64) -> bool {
        match self.held(number) {
            None => false,
            Some((false, held)) => held.bytes.len() < HIGH,
            Some((true, _)) => self.out.len() + self.transport.outbound() <= HIGH,
        }
    }

    /// Takes the finished places from the front, and gives the next one its turn.
    fn pop_finished(&mut self) -> Vec<Held> {
        let mut finished = Vec::new();
        while let Some(fate) = self.places.front().and_then(|held| held.fate)
            && self.state == State::Open
        {
            finished.extend(self.places.pop_front());
            self.first += 1;
            match fate {
                Fate::Keep => {}
                Fate::Close | Fate::Linger => {
                    finished.extend(self.places.drain(..));
                    self.end(fate);
                    break;
                }
                Fate::Upgrade => {
                    self.flush();
                    self.state = State::Upgraded;
                    self.wake();
                    break;
                }
            }
            if let Some(next) = self.places.front_mut() {
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
        self.places.front()?.resume.as_ref()?;
        if !self.has_room(first) {
            return None;
        }
        self.cancel_poll();
        if self.waiting {
            self.transport.set_inactivity_timeout(Duration::ZERO);
        }
        self.places.front_mut()?.resume.take()
    }

    /// No answer follows.
    fn end(&mut self, fate: Fate) {
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
        if fate == Fate::Linger && !self.transport.peer_finished() {
            // Closed now, the client would get a reset for what it still sends, perhaps before it has read.
            self.transport.keep_half_open(false);
            self.transport.half_close();
            let transport = self.transport.clone();
            if try_add_timer(self.settings.linger, move || transport.close()).is_ok() {
                return;
            }
        }
        self.transport.close_after_writing();
    }

    /// Bytes of the first place.
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
            // The usual answer fits into what the last one took.
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

    /// Between callbacks: an answer that is due keeps the connection, otherwise an idle client does not.
    fn settle(&mut self) {
        // Whose body still comes is not waiting for an answer; if the client ends now, it never will be.
        let due = self.places.iter().any(|held| !held.body_pending);
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

    /// Calls the session in a tick of its own: this may be inside a callback of its.
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
                if inner.places.front().is_some_and(|held| held.resume.is_some()) {
                    inner.poll(&pipeline);
                }
            }
        });
        // Without a timer there is still the host's `drained`.
        self.poll = timer.ok();
    }

    fn cancel_poll(&mut self) {
        if let Some(timer) = self.poll.take() {
            timer.cancel();
        }
    }
}
