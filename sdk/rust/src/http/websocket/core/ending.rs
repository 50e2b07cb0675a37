//! How a WebSocket ends: what waits is sent, then the connection closes in stages.

use super::{Closing, Core, WebSocketSettings};

impl Core {
    /// Both sides have said that it is over. What waits for room goes first; a peer that has broken the protocol is still
    /// sending, and is to read the code of the close.
    pub(in crate::http::websocket) fn finish(&self) {
        if self.ending.replace(true) {
            return;
        }
        self.settle_reading();
        if self.outlet.waits() {
            // The peer may end its side after its last word, and still reads.
            self.transport.keep_half_open(true);
            self.close_later();
        }
        self.end_when_sent();
    }

    /// Whether input is ignored.
    pub(in crate::http::websocket) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    pub(super) fn end_when_sent(&self) {
        if self.outlet.waits() || self.closing.borrow().is_some() {
            return;
        }
        self.stop_timer();
        let WebSocketSettings { close, ping, .. } = self.settings;
        let closing = Closing::begin(self.transport.clone(), close, ping);
        self.closing.replace(closing);
    }

    /// Closes at once, and drops output that waits.
    pub(super) fn break_off(&self) {
        self.outlet.clear();
        self.was_full.set(false);
        self.transport.close();
    }

    /// The connection is gone: nothing is timed any more.
    pub(in crate::http::websocket) fn let_go(&self) {
        self.stop_timer();
        if let Some(poll) = self.poll.take() {
            poll.cancel();
        }
        if let Some(closing) = self.closing.take() {
            closing.cancel();
        }
        self.outlet.clear();
        self.was_full.set(false);
        // Messages that are sent from now on go nowhere.
        let mut codec = self.codec.borrow_mut();
        let _ = codec.close(1001, "");
        let _ = codec.take_output();
    }
}
