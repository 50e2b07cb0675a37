//! Calls the handler of a WebSocket with its events.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_http::websocket::{self as codec, extension::Agreed};

use super::{WebSocket, WebSocketHandler, WebSocketSettings};
use crate::{transport::Transport, types::CloseReason};

/// RFC 6455, 7.4.1: a server that goes down.
const GOING_AWAY: u16 = 1001;

/// Another protocol on a connection that began with HTTP.
pub(in crate::http) trait Upgraded {
    fn opened(&mut self);
    fn receive(&mut self, data: &[u8]);
    fn drained(&mut self);
    fn drain(&mut self, within: Duration);
    fn unbind(&mut self, reason: CloseReason);
}

/// Callbacks of a WebSocket, independent of the type of its handler.
pub(super) trait Attend {
    /// Processes received bytes.
    fn attend(self: Rc<Self>);
    /// Notifies the handler that there is room again.
    fn has_room(self: Rc<Self>);
}

/// A WebSocket and its handler.
pub(in crate::http) struct Driver<H>(Rc<Inner<H>>);

struct Inner<H> {
    socket: WebSocket,
    handler: RefCell<H>,
    /// The handler knows that it is over.
    told: Cell<bool>,
}

impl<H: WebSocketHandler> Driver<H> {
    /// A server's side, which has accepted.
    pub(in crate::http) fn accepted(
        transport: Rc<dyn Transport>,
        settings: WebSocketSettings,
        agreed: Option<Agreed>,
        make: impl FnOnce(WebSocket) -> H,
    ) -> Driver<H> {
        let codec = codec::WebSocket::server(settings.message);
        let driver = Driver::new(WebSocket::new(transport, codec, settings), make);
        driver.begin(agreed);
        driver
    }

    pub(super) fn new(socket: WebSocket, make: impl FnOnce(WebSocket) -> H) -> Driver<H> {
        let handler = RefCell::new(make(socket.clone()));
        let inner = Rc::new(Inner { socket, handler, told: Cell::new(false) });
        let weak: Weak<Inner<H>> = Rc::downgrade(&inner);
        inner.socket.0.set_driver(weak);
        Driver(inner)
    }

    pub(super) fn socket(&self) -> &WebSocket {
        &self.0.socket
    }

    pub(super) fn begin(&self, agreed: Option<Agreed>) {
        self.0.socket.0.begin(agreed);
    }

    /// It is over, with a code and a reason of this side's.
    pub(super) fn end(&self, code: u16, reason: &str) {
        self.0.socket.0.let_go();
        self.0.tell_close(code, reason);
    }
}

impl<H: WebSocketHandler> Inner<H> {
    fn tell_close(&self, code: u16, reason: &str) {
        if !self.told.replace(true) {
            self.handler.borrow_mut().close(code, reason);
        }
    }

    /// Calls the handler, then delivers received events. Sends its output in one piece.
    fn call(&self, call: impl FnOnce(&mut H)) {
        let core = &self.socket.0;
        core.cork();
        if !self.told.get() {
            call(&mut self.handler.borrow_mut());
        }
        self.take_events();
        core.uncork();
        if core.codec.borrow().is_closed() {
            core.finish();
        }
    }

    fn take_events(&self) {
        let core = &self.socket.0;
        while !self.socket.is_paused() && !self.told.get() {
            let event = core.codec.borrow_mut().poll();
            match event {
                Ok(None) => return,
                Ok(Some(codec::Event::Message(message))) => {
                    self.handler.borrow_mut().message(message);
                }
                Ok(Some(codec::Event::Ping(_) | codec::Event::Pong(_))) => {}
                Ok(Some(codec::Event::Close(code, reason))) => self.tell_close(code, &reason),
                Err(error) => {
                    crate::debug!("connection {}: {error}", core.transport.id());
                    self.tell_close(error.code(), "");
                }
            }
        }
    }
}

impl<H: WebSocketHandler> Attend for Inner<H> {
    fn attend(self: Rc<Self>) {
        self.call(|_| ());
    }

    fn has_room(self: Rc<Self>) {
        self.call(H::drained);
    }
}

impl<H: WebSocketHandler> Upgraded for Driver<H> {
    fn opened(&mut self) {
        self.0.call(H::open);
    }

    fn receive(&mut self, data: &[u8]) {
        let core = &self.0.socket.0;
        if core.is_ending() {
            return;
        }
        core.has_heard();
        core.codec.borrow_mut().receive(data);
        self.0.call(|_| ());
    }

    fn drained(&mut self) {
        self.0.socket.0.make_room();
    }

    fn drain(&mut self, within: Duration) {
        let mut goes = true;
        self.0.call(|handler| goes = handler.draining(within));
        if goes {
            // Fails if it has ended already.
            let _ = self.0.socket.close(GOING_AWAY, "");
        }
    }

    fn unbind(&mut self, _: CloseReason) {
        self.end(1006, "");
    }
}
