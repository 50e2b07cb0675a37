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
    transport::{Transport, outlet::Outlet, room::HIGH},
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
    me: Weak<Core>,
    codec: RefCell<codec::WebSocket>,
    transport: Rc<dyn Transport>,
    /// What waits for room in the outbox, so that the client is heard while it does not read.
    outlet: Outlet,
    /// The client is so far behind that it is not read.
    deaf: Cell<bool>,
    /// What waited when it was last pinged.
    load: Cell<usize>,
    /// It was full, and the handler does not know yet that there is room again.
    was_full: Cell<bool>,
    /// Looks for room, because the host may not report it.
    poll: Cell<Option<Timer>>,
    /// Called when there is room again.
    on_room: RefCell<Option<Rc<dyn Fn()>>>,
    /// Nothing is sent any more: the connection ends when all is.
    ending: Cell<bool>,
    settings: WebSocketSettings,
    /// A callback runs, and will send what there is.
    corked: Cell<bool>,
    /// Something came since the last ping.
    heard: Cell<bool>,
    timer: Cell<Option<Timer>>,
    /// Both sides have said that it is over.
    closing: RefCell<Option<Closing>>,
}

/// Bytes that wait for a client that is not read meanwhile: what it sends would be answered, and more would wait.
const DEAF: usize = 256 * 1024;

impl WebSocket {
    pub(super) fn new(transport: Rc<dyn Transport>, settings: WebSocketSettings) -> WebSocket {
        let codec = RefCell::new(codec::WebSocket::server(settings.message));
        // Silence is judged by pings.
        transport.set_inactivity_timeout(Duration::ZERO);
        transport.keep_half_open(false);
        let socket = WebSocket(Rc::new_cyclic(|me| Core {
            me: me.clone(),
            codec,
            transport,
            outlet: Outlet::default(),
            deaf: Cell::new(false),
            load: Cell::new(0),
            was_full: Cell::new(false),
            poll: Cell::new(None),
            on_room: RefCell::new(None),
            ending: Cell::new(false),
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

    /// Whether the client is behind, so that messages it can do without are better left out: 32 KiB wait for it. What
    /// is sent all the same is queued, at most 16 MiB or what the sandbox has memory for; at more the connection is
    /// closed. The client is heard meanwhile, until 256 KiB wait for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.is_full()
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
        if !output.is_empty() && self.outlet.send(&*self.transport, &output).is_err() {
            // Gone, or so far behind that a message would be missing.
            return self.break_off();
        }
        self.was_full.set(self.was_full.get() || self.is_full());
        self.listen();
        self.look_later();
    }

    /// Reads the client, unless it is far behind.
    fn listen(&self) {
        let deaf = DEAF <= self.outlet.load(&*self.transport);
        if self.deaf.replace(deaf) == deaf {
            return;
        }
        if deaf { self.transport.pause() } else { self.transport.resume() }
    }

    fn is_full(&self) -> bool {
        HIGH <= self.outlet.load(&*self.transport)
    }

    /// Sends what there is room for, and tells the handler when there is room for more.
    fn make_room(&self) {
        if self.outlet.flush(&*self.transport).is_err() {
            return self.break_off();
        }
        if self.ending.get() && !self.outlet.waits() {
            if self.closing.borrow().is_none() {
                self.close_in_stages();
            }
            return;
        }
        self.listen();
        if self.was_full.get() && !self.is_full() {
            self.was_full.set(false);
            let on_room = self.on_room.borrow().clone();
            if let Some(on_room) = on_room {
                on_room();
            }
        }
        self.look_later();
    }

    /// Looks for room after a while, if it is waited for.
    fn look_later(&self) {
        let old = self.poll.take();
        if old.is_some() || !(self.outlet.waits() || self.was_full.get()) {
            return self.poll.set(old);
        }
        let me = self.me.clone();
        let timer = try_add_timer(self.outlet.pause(&*self.transport), move || {
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

    /// It is over. What waits for room goes first; a client that has broken the protocol is still sending, and is to read
    /// the code of the close.
    fn end(&self) {
        self.stop_timer();
        if self.outlet.waits() {
            self.ending.set(true);
            self.close_later();
        } else {
            self.close_in_stages();
        }
    }

    fn close_in_stages(&self) {
        let WebSocketSettings { close, ping, .. } = self.settings;
        let closing = Closing::begin(self.transport.clone(), close, ping);
        self.closing.replace(closing);
    }

    fn break_off(&self) {
        self.outlet.clear();
        self.was_full.set(false);
        self.transport.close();
    }

    /// Stops the timers.
    fn let_go(&self) {
        for timer in [self.timer.take(), self.poll.take()].into_iter().flatten() {
            timer.cancel();
        }
        let on_room = self.on_room.take();
        drop(on_room);
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
    let load = core.outlet.load(&*core.transport);
    let reads = load < core.load.replace(load);
    // One that is not read is there as long as it reads.
    let is_there = core.heard.replace(false) || core.deaf.get() && reads;
    if !is_there {
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
    socket: WebSocket,
    told: Rc<RefCell<Told<H>>>,
}

/// A handler, and whether it knows that it is over.
struct Told<H> {
    handler: H,
    is_over: bool,
}

impl<H: WebSocketHandler> Driver<H> {
    pub fn new(socket: WebSocket, handler: H) -> Driver<H> {
        let told = Rc::new(RefCell::new(Told { handler, is_over: false }));
        let later = Rc::downgrade(&told);
        *socket.0.on_room.borrow_mut() = Some(Rc::new(move || {
            if let Some(told) = later.upgrade() {
                told.borrow_mut().handler.drained();
            }
        }));
        Driver { socket, told }
    }

    fn take_events(&self) {
        let told = &mut *self.told.borrow_mut();
        loop {
            let event = self.socket.0.codec.borrow_mut().poll();
            match event {
                Ok(None) => return,
                Ok(Some(codec::Event::Message(message))) => told.handler.message(message),
                Ok(Some(codec::Event::Ping(_) | codec::Event::Pong(_))) => {}
                Ok(Some(codec::Event::Close(code, reason))) => told.close(code, &reason),
                Err(error) => {
                    crate::debug!("connection {}: {error}", self.socket.0.transport.id());
                    told.close(error.code(), "");
                }
            }
        }
    }
}

impl<H: WebSocketHandler> Told<H> {
    fn close(&mut self, code: u16, reason: &str) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.handler.close(code, reason);
        }
    }
}

impl<H: WebSocketHandler> Upgraded for Driver<H> {
    fn opened(&mut self) {
        self.told.borrow_mut().handler.open();
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
        if core.codec.borrow().is_closed() && !core.ending.get() {
            core.end();
        }
    }

    fn drained(&mut self) {
        self.socket.0.make_room();
    }

    fn unbind(&mut self, _: CloseReason) {
        let core = &self.socket.0;
        core.let_go();
        core.outlet.clear();
        if let Some(closing) = core.closing.take() {
            closing.cancel();
        }
        // Messages that are sent from now on go nowhere.
        let _ = core.codec.borrow_mut().close(1001, "");
        let _ = core.codec.borrow_mut().take_output();
        self.told.borrow_mut().close(1006, "");
    }
}
