//! WebSockets of a server: accepted in place of an answer, then messages both ways.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_http::websocket as codec;
#[doc(no_inline)]
pub use sandloop_http::websocket::{Message, SendError, WebSocketError};

use super::closing::Closing;
use crate::{
    timers::{Timer, try_add_timer},
    transport::Transport,
    types::CloseReason,
};

/// What a plugin does with the messages of one WebSocket. Made by the function that
/// [`Response::accept_websocket`](super::Response::accept_websocket) is given.
pub trait WebSocketHandler: 'static {
    /// The client has been told that it is accepted: messages can be sent.
    fn open(&mut self) {}

    /// A message, its fragments put together.
    fn message(&mut self, message: Message);

    /// The client does not keep up any more if [`WebSocket::is_full`]; it does again.
    fn drained(&mut self) {}

    /// It has ended: with the code and the reason that the client gave, or 1002, 1007 or 1009 if it broke the protocol, or
    /// 1006 if the connection went without a word. Called exactly once, last.
    fn close(&mut self, code: u16, reason: &str) {
        let _ = (code, reason);
    }
}

/// How much and how long a WebSocket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// Bytes of a message. At it: close code 1009.
    pub message: usize,
    /// A client that says nothing is pinged this often; one that has not answered by the next time is gone.
    pub ping: Duration,
    /// How long the client may take to answer a close.
    pub close: Duration,
}

impl Default for WebSocketSettings {
    /// 1 MiB, 30 seconds, 5 seconds.
    fn default() -> WebSocketSettings {
        WebSocketSettings {
            message: 1024 * 1024,
            ping: Duration::from_secs(30),
            close: Duration::from_secs(5),
        }
    }
}

/// The plugin's handle on a WebSocket. Clones are the same one, so a timer or a subscription may keep one.
#[derive(Clone)]
pub struct WebSocket(Rc<Core>);

struct Core {
    codec: RefCell<codec::WebSocket>,
    transport: Rc<dyn Transport>,
    settings: WebSocketSettings,
    /// A callback runs, and will send what there is.
    corked: Cell<bool>,
    /// Something came since the last ping.
    heard: Cell<bool>,
    timer: Cell<Option<Timer>>,
    /// Both sides have said that it is over.
    closing: RefCell<Option<Closing>>,
}

/// As for answers: above this the client is behind.
const HIGH: usize = 64 * 1024;

impl WebSocket {
    pub(super) fn new(transport: Rc<dyn Transport>, settings: WebSocketSettings) -> WebSocket {
        let codec = RefCell::new(codec::WebSocket::server(settings.message));
        // Silence is judged by pings.
        transport.set_inactivity_timeout(Duration::ZERO);
        transport.keep_half_open(false);
        let socket = WebSocket(Rc::new(Core {
            codec,
            transport,
            settings,
            corked: Cell::new(false),
            heard: Cell::new(true),
            timer: Cell::new(None),
            closing: RefCell::default(),
        }));
        socket.0.ping_later();
        socket
    }

    /// Sends a message.
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

    /// Ends it: 1000 is a normal end, 1001 that the server goes away, 4000 to 4999 are the plugin's own. What was sent
    /// before still arrives.
    ///
    /// # Errors
    /// `Closed`, `Code`, `TooLong` (a reason has at most 123 bytes).
    pub fn close(&self, code: u16, reason: &str) -> Result<(), SendError> {
        self.0.codec.borrow_mut().close(code, reason)?;
        self.0.flush();
        self.0.close_later();
        Ok(())
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.codec.borrow().is_open()
    }

    /// Whether the client is behind, so that messages it can do without are better left out. What is sent all the
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

    fn ping_later(self: &Rc<Self>) {
        let core = Rc::downgrade(self);
        self.set_timer(self.settings.ping, move || ping(&core));
    }

    /// Closes the connection unless the client answers in time.
    fn close_later(&self) {
        let transport = self.transport.clone();
        self.set_timer(self.settings.close, move || transport.close());
    }

    /// It is over. A client that has broken the protocol is still sending, and is to read the code of the close.
    fn end(&self) {
        self.stop_timer();
        let WebSocketSettings { close, ping, .. } = self.settings;
        let closing = Closing::begin(self.transport.clone(), close, ping);
        self.closing.replace(closing);
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn set_timer(&self, after: Duration, action: impl FnOnce() + 'static) {
        let timer = try_add_timer(after, action);
        if let Err(error) = &timer {
            crate::error!("closing a WebSocket, because it cannot be timed: {error}");
            self.transport.close();
        }
        if let Some(old) = self.timer.replace(timer.ok()) {
            old.cancel();
        }
    }
}

fn ping(core: &Weak<Core>) {
    let Some(core) = core.upgrade() else { return };
    if !core.heard.replace(false) {
        crate::debug!("connection {}: does not answer a ping", core.transport.id());
        return core.transport.close();
    }
    if core.codec.borrow_mut().ping(b"").is_ok() {
        core.flush();
        core.ping_later();
    }
}

/// Another protocol on a connection that began with HTTP.
pub(super) trait Upgraded {
    fn opened(&mut self);
    fn receive(&mut self, data: &[u8]);
    fn drained(&mut self);
    fn unbind(&mut self, reason: CloseReason);
}

/// A WebSocket and its handler.
pub(super) struct Driver<H> {
    pub socket: WebSocket,
    pub handler: H,
    /// The handler knows that it is over.
    pub told: bool,
}

impl<H: WebSocketHandler> Driver<H> {
    fn tell_close(&mut self, code: u16, reason: &str) {
        if !std::mem::replace(&mut self.told, true) {
            self.handler.close(code, reason);
        }
    }

    fn take_events(&mut self) {
        loop {
            let event = self.socket.0.codec.borrow_mut().poll();
            match event {
                Ok(None) => return,
                Ok(Some(codec::Event::Message(message))) => self.handler.message(message),
                Ok(Some(codec::Event::Ping(_) | codec::Event::Pong(_))) => {}
                Ok(Some(codec::Event::Close(code, reason))) => self.tell_close(code, &reason),
                Err(error) => {
                    crate::debug!("connection {}: {error}", self.socket.0.transport.id());
                    self.tell_close(error.code(), "");
                }
            }
        }
    }
}

impl<H: WebSocketHandler> Upgraded for Driver<H> {
    fn opened(&mut self) {
        self.handler.open();
    }

    fn receive(&mut self, data: &[u8]) {
        let core = self.socket.0.clone();
        if core.closing.borrow().is_some() {
            return;
        }
        core.heard.set(true);
        core.codec.borrow_mut().receive(data);
        core.corked.set(true);
        self.take_events();
        core.corked.set(false);
        core.flush();
        if core.codec.borrow().is_closed() {
            core.end();
        }
    }

    fn drained(&mut self) {
        self.handler.drained();
    }

    fn unbind(&mut self, _: CloseReason) {
        self.socket.0.stop_timer();
        if let Some(closing) = self.socket.0.closing.take() {
            closing.cancel();
        }
        // Messages that are sent from now on go nowhere.
        let _ = self.socket.0.codec.borrow_mut().close(1001, "");
        let _ = self.socket.0.codec.borrow_mut().take_output();
        self.tell_close(1006, "");
    }
}
