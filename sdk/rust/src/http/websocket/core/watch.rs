//! Whether the peer is still there: it answers pings, or reads what waits for it.

use std::{rc::Weak, time::Duration};

use super::Core;
use crate::timers::try_add_timer;

impl Core {
    pub(super) fn ping_later(&self) {
        let core = self.me.clone();
        self.set_timer(self.settings.ping, move || ping(&core));
    }

    /// Closes the connection unless the peer answers in time. One that still reads what was sent before the close has not
    /// come to it yet.
    pub(super) fn close_later(&self) {
        let core = self.me.clone();
        self.set_timer(self.settings.close, move || {
            let Some(core) = core.upgrade() else { return };
            if core.has_read() { core.close_later() } else { core.break_off() }
        });
    }

    /// Whether the peer has read since the last look. It is known only where something had to wait for that.
    pub(super) fn has_read(&self) -> bool {
        let load = self.load();
        let taken = self.given.get().wrapping_sub(load as u64);
        let (load_before, taken_before) = self.seen.replace((load, taken));
        load_before != 0 && taken_before != taken
    }

    pub(in crate::http::websocket) fn set_timer(
        &self,
        after: Duration,
        action: impl FnOnce() + 'static,
    ) {
        let timer = try_add_timer(after, action);
        if let Err(error) = &timer {
            crate::error!("closing a WebSocket, because it cannot be timed: {error}");
            self.break_off();
        }
        if let Some(old) = self.timer.replace(timer.ok()) {
            old.cancel();
        }
    }

    pub(super) fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

fn ping(core: &Weak<Core>) {
    let Some(core) = core.upgrade() else { return };
    // The pong of one that reads slowly comes when it has read so far.
    let reads = core.has_read();
    if core.paused.get() {
        // Nothing could be heard.
        return core.ping_later();
    }
    if !(core.heard.replace(false) || reads) {
        crate::debug!("connection {}: does not answer a ping", core.transport.id());
        return core.break_off();
    }
    if core.codec.borrow_mut().ping(b"").is_ok() {
        core.flush();
        core.ping_later();
    }
}
