//! The plugin's handle on a WebSocket.

mod ending;
mod room;
mod watch;

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_http::websocket::{self as codec, extension::Agreed};

use super::{Message, SendError, WebSocketSettings, driver::Attend};
use crate::{
    http::closing::Closing,
    reactor::try_next_tick,
    timers::Timer,
    transport::{Transport, outlet::Outlet},
};

/// The plugin's handle on a WebSocket. Clones are the same one, so a timer or a subscription may keep one.
#[derive(Clone)]
pub struct WebSocket(pub(super) Rc<Core>);

pub(super) struct Core {
    me: Weak<Core>,
    pub(super) codec: RefCell<codec::WebSocket>,
    pub(super) transport: Rc<dyn Transport>,
    settings: WebSocketSettings,
    /// What waits for room in the outbox, so that the peer is heard while it does not read.
    outlet: Outlet,
    /// The total of bytes passed to the outlet: less those that wait, the bytes that the peer has taken.
    given: Cell<u64>,
    /// The handshake is over. Before that the peer is read in any case, because its answer has to be.
    begun: Cell<bool>,
    /// The output will be sent by a running callback, or at the end of the handshake.
    corked: Cell<bool>,
    /// Something came since the last ping.
    heard: Cell<bool>,
    /// The waiting bytes, and those that the peer had taken, at the last check.
    seen: Cell<(usize, u64)>,
    /// The plugin takes no messages.
    paused: Cell<bool>,
    /// The peer is so far behind that it is not read.
    deaf: Cell<bool>,
    /// The transport is paused, for either reason.
    unread: Cell<bool>,
    /// It was full, and the handler does not know yet that there is room again.
    was_full: Cell<bool>,
    /// Both sides have said that it is over: the connection ends when everything is sent.
    ending: Cell<bool>,
    /// Everything is sent, and the peer has some time to read it.
    closing: RefCell<Option<Closing>>,
    /// Received bytes are processed at the end of this callback or tick.
    attended: Cell<bool>,
    timer: Cell<Option<Timer>>,
    /// Looks for room, because the host may not report it.
    poll: Cell<Option<Timer>>,
    driver: RefCell<Option<Weak<dyn Attend>>>,
}

impl WebSocket {
    /// A side that has not begun: [`Core::begin`] follows.
    pub(super) fn new(
        transport: Rc<dyn Transport>,
        codec: codec::WebSocket,
        settings: WebSocketSettings,
    ) -> WebSocket {
        WebSocket(Rc::new_cyclic(|me| Core {
            me: me.clone(),
            codec: RefCell::new(codec),
            transport,
            settings,
            outlet: Outlet::default(),
            given: Cell::new(0),
            begun: Cell::new(false),
            corked: Cell::new(true),
            heard: Cell::new(true),
            seen: Cell::default(),
            paused: Cell::new(false),
            deaf: Cell::new(false),
            unread: Cell::new(false),
            was_full: Cell::new(false),
            ending: Cell::new(false),
            closing: RefCell::default(),
            attended: Cell::new(false),
            timer: Cell::new(None),
            poll: Cell::new(None),
            driver: RefCell::new(None),
        }))
    }

    /// Sends a message; before the handshake is complete it is queued.
    ///
    /// # Errors
    /// `Closed`.
    pub fn send(&self, message: Message) -> Result<(), SendError> {
        self.0.codec.borrow_mut().send(message)?;
        self.0.flush();
        Ok(())
    }

    /// Sends a text; a WebSocket that is closed ignores it.
    pub fn send_text(&self, text: impl Into<String>) {
        let _ = self.send(Message::Text(text.into()));
    }

    /// Sends bytes; a WebSocket that is closed ignores them.
    pub fn send_binary(&self, bytes: impl Into<Vec<u8>>) {
        let _ = self.send(Message::Binary(bytes.into()));
    }

    /// Ends it: 1000 is a normal end, 1001 that this side goes away, 4000 to 4999 are the plugin's own. What was sent
    /// before still arrives, as long as the peer reads. Before it is open, it is ended as soon as it is.
    ///
    /// # Errors
    /// `Closed`, `Code`, `TooLong` (a reason has at most 123 bytes).
    pub fn close(&self, code: u16, reason: &str) -> Result<(), SendError> {
        self.0.codec.borrow_mut().close(code, reason)?;
        self.0.flush();
        if self.0.begun.get() {
            self.0.close_later();
        }
        // The peer's answer has to be read.
        self.0.listen();
        self.resume();
        Ok(())
    }

    /// Pauses delivery: the peer is not read from, and flow control slows it. Received messages wait. The handshake continues.
    ///
    /// It is pinged no more. Where the connection ends meanwhile, messages that wait are lost.
    pub fn pause(&self) {
        self.0.paused.set(true);
        self.0.settle_reading();
    }

    /// Takes messages again. Those that wait come when the present callback is over, or in a tick.
    pub fn resume(&self) {
        if self.0.paused.replace(false) {
            self.0.heard.set(true);
            self.0.settle_reading();
            self.0.attend_later();
        }
    }

    /// True between [`pause`](Self::pause) and [`resume`](Self::resume).
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.paused.get()
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Whether the peer is behind, so that messages it can do without are better left out: 32 KiB wait for it. When
    /// there is room again, [`drained`](super::WebSocketHandler::drained) is called.
    ///
    /// What is sent all the same is queued, at most 16 MiB or what the sandbox has memory for; at more the connection
    /// is closed. The peer is heard meanwhile, until 256 KiB wait for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = self.0.is_full();
        // Who was told so is told when it is over, also where the end of this callback sends everything.
        self.0.was_full.set(self.0.was_full.get() || full);
        full
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

impl Core {
    /// The handshake is complete; queued messages are sent with the next [`uncork`](Self::uncork).
    pub(super) fn begin(&self, agreed: Option<Agreed>) {
        if let Some(agreed) = agreed {
            self.codec.borrow_mut().set_deflate(agreed);
        }
        // Silence is judged by pings.
        self.transport.set_inactivity_timeout(Duration::ZERO);
        self.transport.keep_half_open(false);
        self.begun.set(true);
        self.settle_reading();
        if self.is_open() { self.ping_later() } else { self.close_later() }
    }

    fn is_open(&self) -> bool {
        self.codec.borrow().is_open()
    }

    pub(super) fn set_driver(&self, driver: Weak<dyn Attend>) {
        *self.driver.borrow_mut() = Some(driver);
    }

    fn driver(&self) -> Option<Rc<dyn Attend>> {
        self.driver.borrow().as_ref().and_then(Weak::upgrade)
    }

    /// Sends what there is when the callback is over, in one piece.
    pub(super) fn cork(&self) {
        self.corked.set(true);
        self.attended.set(true);
    }

    pub(super) fn uncork(&self) {
        self.corked.set(false);
        self.attended.set(false);
        self.flush();
    }

    pub(super) fn has_heard(&self) {
        self.heard.set(true);
    }

    fn attend_later(&self) {
        let Some(driver) = self.driver().filter(|_| !self.attended.get()) else { return };
        if self.codec.borrow().has_input() {
            self.attended.set(true);
            if let Err(error) = try_next_tick(move || driver.attend()) {
                crate::error!("closing a WebSocket, because it cannot be resumed: {error}");
                self.break_off();
            }
        }
    }
}
