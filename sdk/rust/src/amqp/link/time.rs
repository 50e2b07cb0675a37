//! The timers of a link: heartbeats, timeouts, and the poll for room in the socket.

use std::time::Duration;

use super::{GOODBYE, Link};
use crate::timers::{try_add_periodic_timer, try_add_timer};

impl Link {
    pub(super) fn keep_pulse(&self) {
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

    /// Does `action` after a time, in place of the action that was to be done. The timer keeps the link alive, so that
    /// what waits for the next connection is done even if the plugin has dropped its handles.
    pub(super) fn wait(&self, time: Duration, action: impl FnOnce(&Link) + 'static) {
        let Some(me) = self.me.upgrade() else { return };
        let timer = try_add_timer(time, move || {
            me.waiting.set(None);
            action(&me);
        });
        let timer = timer.map_err(|error| crate::error!("no timer for the broker: {error}"));
        if let Some(before) = self.waiting.replace(timer.ok()) {
            before.cancel();
        }
    }

    /// Once the session says goodbye, bounds the wait for the broker's answer: without heartbeats, or with a broker that beats
    /// and never answers, nothing else ends it.
    pub(super) fn await_goodbye(&self) {
        let waiting = self.waiting.take();
        if waiting.is_some() || !self.session.borrow().is_closing() {
            return self.waiting.set(waiting);
        }
        self.wait_for_goodbye(self.unsent());
    }

    /// Waits, and again for as long as the broker takes what was sent before.
    fn wait_for_goodbye(&self, unsent: usize) {
        self.wait(GOODBYE, move |link| match link.unsent() {
            left if left < unsent => link.wait_for_goodbye(left),
            _ => link.hang_up("the broker did not answer the close"),
        });
    }

    /// The bytes that the broker has not taken yet.
    fn unsent(&self) -> usize {
        let outbound = self.transport().map_or(0, |transport| transport.outbound());
        outbound + self.session.borrow_mut().output().len()
    }

    pub(super) fn poll(&self) {
        let waiting = self.poll.take();
        if waiting.is_some() {
            return self.poll.set(waiting);
        }
        let me = self.me.clone();
        let outbound = self.transport().map_or(0, |transport| transport.outbound());
        let timer = try_add_timer(self.pace.after(outbound), move || {
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

    /// A connection is open. If it lasts, the next pause is a short one again.
    pub(super) fn begin_to_last(&self) {
        self.was_open.set(true);
        let me = self.me.clone();
        let timer = try_add_timer(self.backoff_max(), move || {
            if let Some(me) = me.upgrade() {
                me.lasting.set(None);
                me.failures.set(0);
            }
        });
        if let Some(before) = self.lasting.replace(timer.ok()) {
            before.cancel();
        }
    }

    pub(super) fn stop_timers(&self) {
        if let Some(pulse) = self.pulse.take() {
            pulse.cancel();
        }
        let timers = [self.waiting.take(), self.poll.take(), self.lasting.take()];
        for timer in timers.into_iter().flatten() {
            timer.cancel();
        }
    }
}
