//! Resuming work of a connection that had to wait: for the next turn, or for a slow client.

use std::{cell::RefCell, rc::Weak, time::Duration};

use super::{Inner, Pipeline, State, Throttle};
use crate::{reactor::try_next_tick, timers::try_add_timer};

/// How often to look whether the peer has caught up where the operator has moved the marks, so that the host
/// may not tell.
const POLL: Duration = Duration::from_millis(100);

/// The tick of a connection: it continues the work that the previous callback has left.
fn tick(pipeline: &Weak<RefCell<Inner>>) {
    let Some(pipeline) = pipeline.upgrade().map(Pipeline) else { return };
    pipeline.0.borrow_mut().ticking = false;
    pipeline.proceed();
    let wake = {
        let mut inner = pipeline.0.borrow_mut();
        let waking = std::mem::take(&mut inner.waking);
        inner.wake.clone().filter(|_| waking)
    };
    if let Some(wake) = wake {
        wake();
    }
}

impl Inner {
    /// Resumes the session, if it has waited for room.
    pub(super) fn catch_up(&mut self, me: &Weak<RefCell<Inner>>) {
        if self.throttled == Some(Throttle::Room) && !self.turn.is_over() && self.keeps_up() {
            self.wake(me);
        }
    }

    /// Once the client has caught up, an answer that is due may take its time.
    pub(super) fn look_at_client(&mut self) {
        if !self.behind || self.sends_file || !self.keeps_up() {
            return;
        }
        self.behind = false;
        self.cancel_poll();
        if self.waiting {
            self.transport.set_inactivity_timeout(Duration::ZERO);
        }
    }

    /// The host sends a file: whether the client reads is seen by its reading alone.
    pub(super) fn begin_file(&mut self) {
        (self.sends_file, self.behind) = (true, true);
        self.transport.set_inactivity_timeout(self.settings.idle_timeout);
    }

    pub(super) fn end_file(&mut self) {
        self.sends_file = false;
        self.look_at_client();
    }

    /// Calls the session in a tick, because this may run inside one of its callbacks.
    pub(super) fn wake(&mut self, me: &Weak<RefCell<Inner>>) {
        self.throttled = None;
        if !self.paused {
            self.transport.resume();
        }
        self.waking = true;
        self.tick_later(me);
    }

    /// Continues in a tick if the client keeps up, otherwise when it has caught up.
    pub(super) fn call_when_room(&mut self, me: &Weak<RefCell<Inner>>) {
        if self.keeps_up() {
            self.tick_later(me);
        } else {
            self.behind = true;
            self.transport.set_inactivity_timeout(self.settings.idle_timeout);
            self.poll(me);
        }
    }

    /// One tick is enough for whatever is left.
    pub(super) fn tick_later(&mut self, me: &Weak<RefCell<Inner>>) {
        if std::mem::replace(&mut self.ticking, true) {
            return;
        }
        let ours = me.clone();
        if try_next_tick(move || tick(&ours)).is_ok() {
            return;
        }
        // The plugin's own ticks are at their bound.
        let ours = me.clone();
        if try_add_timer(Duration::ZERO, move || tick(&ours)).is_err() {
            let id = self.transport.id();
            crate::error!(
                "connection {id}: closing it, because there are too many ticks and timers"
            );
            self.transport.close();
            self.state = State::Closed;
        }
    }

    pub(super) fn poll(&mut self, me: &Weak<RefCell<Inner>>) {
        if self.poll.is_some() {
            return;
        }
        let ours = me.clone();
        let timer = try_add_timer(POLL, move || {
            if let Some(inner) = ours.upgrade() {
                inner.borrow_mut().poll = None;
                Pipeline(inner.clone()).proceed();
                inner.borrow_mut().poll_again(&ours);
            }
        });
        // Without a timer, the host's `drained` still continues it.
        self.poll = timer.ok();
    }

    /// The timeout while an answer waits for a slow client.
    pub(super) fn poll_again(&mut self, me: &Weak<RefCell<Inner>>) {
        let resumes = self.slots.front().is_some_and(|held| held.resume.is_some());
        let waits = resumes || self.throttled == Some(Throttle::Room);
        if waits && self.state == State::Open && !self.ticking {
            self.poll(me);
        }
    }

    pub(super) fn cancel_poll(&mut self) {
        if let Some(timer) = self.poll.take() {
            timer.cancel();
        }
    }
}
