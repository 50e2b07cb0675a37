//! The plugin's handle on a WebSocket.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_http::websocket::{self as codec, extension::Agreed};

use super::{Message, SendError, WebSocketSettings, driver::Attend};
use crate::{
    reactor::try_next_tick,
    timers::{Timer, try_add_timer},
    transport::Transport,
};

/// The plugin's handle on a WebSocket. Clones are the same one, so a timer or a subscription may keep one.
#[derive(Clone)]
pub struct WebSocket(pub(super) Rc<Core>);

pub(super) struct Core {
    pub(super) codec: RefCell<codec::WebSocket>,
    pub(super) transport: Rc<dyn Transport>,
    settings: WebSocketSettings,
    /// Somebody will send what there is: a callback that runs, or the end of the handshake.
    corked: Cell<bool>,
    /// Something came since the last ping.
    heard: Cell<bool>,
    paused: Cell<bool>,
    /// What has come is looked at when this callback, or a tick, is over.
    attended: Cell<bool>,
    timer: Cell<Option<Timer>>,
    driver: RefCell<Option<Weak<dyn Attend>>>,
}

/// As for answers: above this the peer is behind.
const HIGH: usize = 64 * 1024;

impl WebSocket {
    /// A side that has not begun: [`Core::begin`] follows.
    pub(super) fn new(
        transport: Rc<dyn Transport>,
        codec: codec::WebSocket,
        settings: WebSocketSettings,
    ) -> WebSocket {
        WebSocket(Rc::new(Core {
            codec: RefCell::new(codec),
            transport,
            settings,
            corked: Cell::new(true),
            heard: Cell::new(true),
            paused: Cell::new(false),
            attended: Cell::new(false),
            timer: Cell::new(None),
            driver: RefCell::new(None),
        }))
    }

    /// Sends a message; what is sent before it is open waits.
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
    /// before still arrives.
    ///
    /// # Errors
    /// `Closed`, `Code`, `TooLong` (a reason has at most 123 bytes).
    pub fn close(&self, code: u16, reason: &str) -> Result<(), SendError> {
        self.0.codec.borrow_mut().close(code, reason)?;
        self.0.flush();
        self.0.close_later();
        // The peer's answer has to be read.
        self.resume();
        Ok(())
    }

    /// Takes no more messages: the peer is not read from, and feels it. What has come already waits.
    ///
    /// It is pinged no more. Where the connection ends meanwhile, messages that wait are lost.
    pub fn pause(&self) {
        if !self.0.paused.replace(true) {
            self.0.transport.pause();
        }
    }

    /// Takes messages again. Those that wait come when the present callback is over, or in a tick.
    pub fn resume(&self) {
        if self.0.paused.replace(false) {
            self.0.heard.set(true);
            self.0.transport.resume();
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
        self.0.codec.borrow().is_open()
    }

    /// Whether the peer is behind, so that messages it can do without are better left out. What is sent all the
    /// same is queued, until the host's bound of the outbox closes the connection.
    #[must_use]
    pub fn is_full(&self) -> bool {
        HIGH < self.0.transport.outbound()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

impl Core {
    /// The handshake is over; what was sent until now goes with the next [`uncork`](Self::uncork).
    pub(super) fn begin(self: &Rc<Self>, agreed: Option<Agreed>) {
        if let Some(agreed) = agreed {
            self.codec.borrow_mut().set_deflate(agreed);
        }
        // Silence is judged by pings.
        self.transport.set_inactivity_timeout(Duration::ZERO);
        self.transport.keep_half_open(false);
        if self.codec.borrow().is_open() {
            self.ping_later();
        }
    }

    pub(super) fn set_driver(&self, driver: Weak<dyn Attend>) {
        *self.driver.borrow_mut() = Some(driver);
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

    /// Sends what the codec has ready.
    fn flush(&self) {
        if self.corked.get() {
            return;
        }
        let output = self.codec.borrow_mut().take_output();
        if !output.is_empty() && self.transport.send(&output).is_err() {
            // Gone, or so far behind that a message would be missing.
            self.transport.close();
        }
    }

    fn attend_later(&self) {
        let driver = self.driver.borrow().as_ref().and_then(Weak::upgrade);
        let Some(driver) = driver.filter(|_| !self.attended.get()) else { return };
        if self.codec.borrow().has_input() {
            self.attended.set(true);
            if let Err(error) = try_next_tick(move || driver.attend()) {
                crate::error!("closing a WebSocket, because it cannot be resumed: {error}");
                self.transport.close();
            }
        }
    }

    fn ping_later(self: &Rc<Self>) {
        let core = Rc::downgrade(self);
        self.set_timer(self.settings.ping, move || ping(&core));
    }

    /// Closes the connection unless the peer answers in time.
    fn close_later(&self) {
        let transport = self.transport.clone();
        self.set_timer(self.settings.close, move || transport.close());
    }

    pub(super) fn set_timer(&self, after: Duration, action: impl FnOnce() + 'static) {
        let timer = try_add_timer(after, action);
        if let Err(error) = &timer {
            crate::error!("closing a WebSocket, because it cannot be timed: {error}");
            self.transport.close();
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
    if core.paused.get() {
        // Nothing could be heard.
        return core.ping_later();
    }
    if !core.heard.replace(false) {
        crate::debug!("connection {}: does not answer a ping", core.transport.id());
        return core.transport.close();
    }
    if core.codec.borrow_mut().ping(b"").is_ok() {
        core.flush();
        core.ping_later();
    }
}
