//! The answers of one connection, sent in the order of their requests, whatever order they are made in.
//!
//! Each request gets a [`Slot`]. What is written to the first slot is sent; what is written to another one is
//! buffered until those before it are finished. No code of the plugin is called or dropped while the state is
//! borrowed, because it may use any answer.
//!
//! One callback of the host does no more than its [`Turn`] allows, however quick the client is. What is left goes on
//! in a tick, and a connection never has more than one of those.

mod output;
mod slot;
mod turn;
mod waking;

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

pub(super) use self::slot::Slot;
use self::turn::Turn;
use super::{closing::Closing, settings::Settings, websocket::Upgraded};
use crate::{timers::Timer, transport::Transport};

/// The slots of one connection. Clones are the same.
#[derive(Clone)]
pub(crate) struct Pipeline(Rc<RefCell<Inner>>);

struct Inner {
    transport: Rc<dyn Transport>,
    settings: Settings,
    slots: VecDeque<Held>,
    /// The number of the first slot.
    first: u64,
    /// Output that is sent in one piece at the end of the current callback.
    out: Vec<u8>,
    /// A callback of the connection runs, and will flush.
    corked: bool,
    /// What may still be done in the present callback.
    turn: Turn,
    /// A tick is due, which continues what this callback has left.
    ticking: bool,
    /// The tick calls the session too.
    waking: bool,
    /// Answers are due, and the connection stays although nothing moves.
    waiting: bool,
    /// An answer waits for a slow client, which has the timeout of an idle one.
    behind: bool,
    /// The host sends a file for the first slot.
    sends_file: bool,
    state: State,
    /// Calls the session when it can continue.
    wake: Option<Rc<dyn Fn()>>,
    /// The session has stopped reading and wants to be called when it can continue.
    throttled: Option<Throttle>,
    /// The slots include the last answer: no more requests are read.
    last: bool,
    /// The connection closes when nothing is to be answered.
    draining: bool,
    /// Looks again whether the peer has caught up.
    poll: Option<Timer>,
    /// The plugin has paused the body that is coming.
    paused: bool,
    /// Creates the next owner of the connection after the last response.
    upgrade: Option<Upgrade>,
    /// The last answer is sent, and the client has some time to read it.
    closing: Option<Closing>,
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

/// The event that the session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Throttle {
    /// That an answer is complete.
    Answer,
    /// That the client has caught up, or that the next turn begins.
    Room,
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

/// The state of the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterResponse {
    /// Sends the next one.
    Keep,
    /// Closes.
    Close,
    /// Speaks another protocol.
    Upgrade,
}

impl Pipeline {
    pub(crate) fn new(transport: Rc<dyn Transport>, settings: Settings) -> Pipeline {
        Pipeline(Rc::new(RefCell::new(Inner {
            transport,
            settings,
            slots: VecDeque::new(),
            first: 0,
            out: Vec::new(),
            corked: false,
            turn: Turn::default(),
            ticking: false,
            waking: false,
            waiting: false,
            behind: false,
            sends_file: false,
            state: State::Open,
            wake: None,
            throttled: None,
            last: false,
            draining: false,
            poll: None,
            paused: false,
            upgrade: None,
            closing: None,
        })))
    }

    /// The callback, called in a tick, for when the session can continue.
    pub(crate) fn on_wake(&self, wake: impl Fn() + 'static) {
        self.0.borrow_mut().wake = Some(Rc::new(wake));
    }

    /// Adds a slot, for the next request.
    pub(crate) fn begin(&self) -> Slot {
        let mut inner = self.0.borrow_mut();
        let number = inner.first + inner.slots.len() as u64;
        inner.slots.push_back(Held::default());
        Slot::new(self.clone(), number)
    }

    /// Runs `work` and sends all that it writes at once.
    pub(crate) fn cork<T>(&self, work: impl FnOnce() -> T) -> T {
        let was_corked = std::mem::replace(&mut self.0.borrow_mut().corked, true);
        let result = work();
        if !was_corked {
            let mut inner = self.0.borrow_mut();
            inner.corked = false;
            inner.flush();
            inner.settle();
            // The plugin's own timers are turns too, of which nothing tells: the tick begins the next.
            if inner.turn.is_over() && !inner.slots.is_empty() && inner.state == State::Open {
                inner.tick_later(&Rc::downgrade(&self.0));
            }
        }
        result
    }

    /// Whether requests are still taken.
    pub(crate) fn takes_requests(&self) -> bool {
        let inner = self.0.borrow();
        inner.state == State::Open && !inner.last
    }

    /// Whether nothing is to be answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().slots.is_empty()
    }

    /// The last answer is to say that the connection closes.
    pub(crate) fn drain(&self) {
        self.0.borrow_mut().draining = true;
    }

    /// Why the next request has to wait; none if it need not.
    pub(crate) fn obstacle(&self) -> Option<Throttle> {
        let inner = self.0.borrow();
        if inner.settings.pipeline <= inner.slots.len() {
            return Some(Throttle::Answer);
        }
        inner.is_behind().then_some(Throttle::Room)
    }

    /// The peer is not read from until the session is called.
    pub(crate) fn throttle(&self, until: Throttle) {
        let mut inner = self.0.borrow_mut();
        if inner.throttled.replace(until).is_none() && !inner.paused {
            inner.transport.pause();
        }
        if until == Throttle::Room {
            inner.call_when_room(&Rc::downgrade(&self.0));
        }
    }

    /// The next owner of the connection, returned once.
    pub(crate) fn take_upgrade(&self) -> Option<(Upgrade, Rc<dyn Transport>)> {
        let mut inner = self.0.borrow_mut();
        if inner.state != State::Upgraded {
            return None;
        }
        let make = inner.upgrade.take()?;
        Some((make, inner.transport.clone()))
    }

    /// It will belong to another protocol when the answers before are complete.
    pub(crate) fn is_upgrading(&self) -> bool {
        self.0.borrow().upgrade.is_some()
    }

    /// Whether the plugin has paused the body that is coming.
    pub(crate) fn is_paused(&self) -> bool {
        self.0.borrow().paused
    }

    /// The plugin wants no more of the body that is coming, or wants it again.
    pub(crate) fn pause(&self, paused: bool) {
        let mut inner = self.0.borrow_mut();
        if inner.paused == paused || inner.state != State::Open {
            return;
        }
        inner.paused = paused;
        if paused && inner.throttled.is_none() {
            inner.transport.pause();
        }
        if !paused {
            inner.wake(&Rc::downgrade(&self.0));
        }
    }

    /// A callback of the host begins.
    pub(crate) fn begin_turn(&self) {
        self.0.borrow_mut().turn = Turn::default();
    }

    /// Continues a response that waits for room, in a separate callback, within the bounds of a turn.
    pub(crate) fn proceed(&self) {
        self.begin_turn();
        self.cork(|| {
            self.pop_finished();
            let resume = {
                let mut inner = self.0.borrow_mut();
                inner.look_at_client();
                inner.take_resume()
            };
            if let Some(resume) = resume {
                resume();
            }
        });
        self.0.borrow_mut().catch_up(&Rc::downgrade(&self.0));
    }

    /// Removes the complete answers at the front. Answers behind them continue in a tick.
    fn shift(&self) {
        let popped = self.pop_finished();
        let mut inner = self.0.borrow_mut();
        if popped && inner.slots.front().is_some_and(|held| held.resume.is_some()) {
            inner.call_when_room(&Rc::downgrade(&self.0));
        }
    }

    fn pop_finished(&self) -> bool {
        let finished = self.0.borrow_mut().pop_finished(&Rc::downgrade(&self.0));
        !finished.is_empty()
    }

    /// The connection is gone.
    pub(crate) fn close(&self) {
        let gone = {
            let mut inner = self.0.borrow_mut();
            inner.state = State::Closed;
            inner.wake = None;
            inner.cancel_poll();
            if let Some(closing) = inner.closing.take() {
                closing.cancel();
            }
            (std::mem::take(&mut inner.slots), inner.upgrade.take())
        };
        drop(gone);
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

    /// Removes the finished slots at the front; the next one is the first then, and its buffer is sent.
    fn pop_finished(&mut self, me: &Weak<RefCell<Inner>>) -> Vec<Held> {
        let mut finished = Vec::new();
        while let Some(after) = self.slots.front().and_then(|held| held.after)
            && self.state == State::Open
        {
            finished.extend(self.slots.pop_front());
            self.first += 1;
            match after {
                AfterResponse::Keep => {}
                AfterResponse::Close => {
                    finished.extend(self.slots.drain(..));
                    self.end();
                    break;
                }
                AfterResponse::Upgrade => {
                    self.flush();
                    self.state = State::Upgraded;
                    self.wake(me);
                    break;
                }
            }
            if let Some(next) = self.slots.front_mut() {
                let bytes = std::mem::take(&mut next.bytes);
                self.emit(&bytes);
            }
            if self.throttled == Some(Throttle::Answer) {
                self.wake(me);
            }
        }
        // Its head was sent before it was known to be the last.
        let is_last = self.draining && !finished.is_empty() && self.slots.is_empty();
        if is_last && self.state == State::Open && self.throttled.is_none() && !self.waking {
            self.end();
        }
        finished
    }

    fn take_resume(&mut self) -> Option<Box<dyn FnOnce()>> {
        let first = self.first;
        self.slots.front()?.resume.as_ref()?;
        if !self.has_room(first) {
            return None;
        }
        self.slots.front_mut()?.resume.take()
    }

    /// Whether the client waits for an answer.
    fn is_due(&self) -> bool {
        // Requests that have come and were not looked at yet.
        let left = self.waking || self.throttled == Some(Throttle::Room);
        // A client whose body is incomplete does not wait for an answer yet; if it ends now, it never will.
        left || self.slots.iter().any(|held| !held.body_pending)
    }

    /// Ends the connection: no answer follows.
    fn end(&mut self) {
        self.flush();
        self.cancel_poll();
        if self.state != State::Open {
            return;
        }
        self.state = State::Ending;
        self.transport.set_inactivity_timeout(self.settings.idle_timeout);
        if self.paused || self.throttled.is_some() {
            self.transport.resume();
        }
        let Settings { linger, idle_timeout, .. } = self.settings;
        self.closing = Closing::begin(self.transport.clone(), linger, idle_timeout);
    }

    /// Sets the idle timeout at the end of a callback: none while an answer is due.
    fn settle(&mut self) {
        let due = self.is_due();
        if due == self.waiting || self.state != State::Open {
            return;
        }
        self.waiting = due;
        self.transport.keep_half_open(due);
        if due {
            self.behind = self.behind && (self.sends_file || !self.keeps_up());
            if !self.behind {
                self.transport.set_inactivity_timeout(Duration::ZERO);
            }
            return;
        }
        self.transport.set_inactivity_timeout(self.settings.idle_timeout);
        if self.transport.peer_finished() {
            self.state = State::Ending;
            self.transport.close_after_writing();
        }
    }
}
