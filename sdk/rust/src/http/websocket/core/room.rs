//! A peer that reads slowly is still heard.
//!
//! The host does not read a connection whose outbox is above `outbox_high`, so the outbox is kept well below it, and
//! the rest waits in the sandbox. A peer for which very much waits is not read, because what it sends would be
//! answered, and more would wait.

use std::time::Duration;

use super::Core;
use crate::{timers::try_add_timer, transport::room::HIGH};

/// Bytes that wait for a peer that is not read meanwhile.
const DEAF: usize = 256 * 1024;

impl Core {
    /// Sends the output of the codec.
    pub(super) fn flush(&self) {
        if self.corked.get() {
            return;
        }
        let output = self.codec.borrow_mut().take_output();
        if !output.is_empty() {
            self.given.set(self.given.get().wrapping_add(output.len() as u64));
            if self.outlet.send(&*self.transport, &output).is_err() {
                // Gone, or so far behind that a message would be missing.
                return self.break_off();
            }
            if !self.is_open() {
                // The closing handshake is sent: from here on the peer's reading counts.
                self.has_read();
            }
        }
        self.was_full.set(self.was_full.get() || self.is_full());
        self.listen();
        self.look_later();
    }

    /// Bytes that were handed over and wait for the peer.
    pub(super) fn load(&self) -> usize {
        self.outlet.load(&*self.transport)
    }

    /// Whether further messages should wait. Counts the output of the running callback too.
    pub(super) fn is_full(&self) -> bool {
        HIGH <= self.load() + self.codec.borrow().output_size()
    }

    /// Reads the peer, unless it is far behind. One that has nothing to expect any more is read in any case.
    pub(super) fn listen(&self) {
        let deaf = DEAF <= self.load() && self.is_open();
        if self.deaf.replace(deaf) && !deaf {
            // It could not be heard until now.
            self.heard.set(true);
        }
        self.settle_reading();
    }

    /// Reads the peer unless it is paused for either reason. At the end it is read, so that its own end is noticed.
    pub(super) fn settle_reading(&self) {
        let may_wait = self.begun.get() && !self.ending.get();
        let unread = may_wait && (self.paused.get() || self.deaf.get());
        if self.unread.replace(unread) == unread {
            return;
        }
        if unread { self.transport.pause() } else { self.transport.resume() }
    }

    /// Sends as much as there is room for, and notifies the handler when there is room for more.
    pub(in crate::http::websocket) fn make_room(&self) {
        if self.outlet.flush(&*self.transport).is_err() {
            return self.break_off();
        }
        if self.is_ending() {
            self.end_when_sent();
        } else {
            self.listen();
            self.tell_room();
        }
        self.look_later();
    }

    fn tell_room(&self) {
        if !self.was_full.get() || self.is_full() {
            return;
        }
        self.was_full.set(false);
        if let Some(driver) = self.driver() {
            driver.has_room();
        }
    }

    /// Looks for room after a while, if it is waited for; in the next turn if there is room already.
    fn look_later(&self) {
        let old = self.poll.take();
        let is_awaited = self.was_full.get() && !self.is_ending();
        if old.is_some() || !(self.outlet.waits() || is_awaited) {
            return self.poll.set(old);
        }
        let has_room = !self.outlet.waits() && !self.is_full();
        let pause = if has_room { Duration::ZERO } else { self.outlet.pause(&*self.transport) };
        let me = self.me.clone();
        let timer = try_add_timer(pause, move || {
            if let Some(me) = me.upgrade() {
                me.poll.set(None);
                me.make_room();
            }
        });
        match timer {
            Ok(timer) => self.poll.set(Some(timer)),
            Err(error) => {
                crate::error!("closing a WebSocket, because it cannot look for room: {error}");
                self.break_off();
            }
        }
    }
}
