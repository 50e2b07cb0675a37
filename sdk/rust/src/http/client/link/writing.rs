//! What a link sends: requests, one behind the other, as fast as the server reads.

use std::{rc::Rc, time::Duration};

use sandloop_http::{
    Headers, Method, Target,
    writer::{BodyWriter, OutgoingRequest, write_request},
};

use super::{Awaited, Link, Phase};
use crate::{
    http::{
        client::{
            error::HttpError,
            exchange::{Body, Exchange},
            upload::Upload,
        },
        slices::Slices,
    },
    reactor::try_next_tick,
    timers::try_add_timer,
    transport::room::HIGH,
    types::ErrorCode,
};

/// Bodies up to this size are sent with the head.
const AT_ONCE: usize = 64 * 1024;
/// A server that does not know `Expect` gets the body after this time.
const CONTINUE: Duration = Duration::from_secs(1);

impl Link {
    // Called by an upload.

    pub(crate) fn send(&self, data: &[u8]) {
        let Some(transport) = self.transport().filter(|_| !data.is_empty()) else { return };
        match self.outlet.send(&*transport, data) {
            Err(ErrorCode::OutboxFull) => {
                let id = transport.id();
                let length = data.len();
                crate::error!("connection {id}: {length} bytes too many wait for it; closing it");
                transport.close();
            }
            // It is closed: `unbind` follows.
            Err(_) => {}
            Ok(()) if self.outlet.waits() => self.look_later(),
            Ok(()) => {}
        }
    }

    /// Whether further bytes should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.transport().is_some_and(|transport| HIGH <= self.outlet.load(&*transport))
    }

    /// Continues an upload when there is room; if there is room now, in a tick.
    pub(crate) fn tell_room(self: &Rc<Self>) {
        if self.is_full() {
            return self.look_later();
        }
        let me = self.me.clone();
        let look = move || {
            if let Some(me) = me.upgrade() {
                me.drained();
            }
        };
        if try_next_tick(look).is_err() {
            self.fail_transport();
        }
    }

    /// The body is sent.
    pub(crate) fn uploaded(self: &Rc<Self>) {
        self.upload.take();
        self.write_next();
    }

    // Called by the connection.

    /// Sends what there is room for.
    pub(crate) fn drained(&self) {
        let Some(transport) = self.transport() else { return };
        // An error says that it is closed: `unbind` follows.
        let _ = self.outlet.flush(&*transport);
        if self.outlet.waits() {
            self.look_later();
        }
        let upload = self.upload.borrow().clone();
        if let Some(upload) = upload {
            upload.advance();
        }
    }

    /// Looks for room after a while, because the host may not report it.
    fn look_later(&self) {
        let Some(transport) = self.transport() else { return };
        let old = self.poll.take();
        if old.is_some() {
            return self.poll.set(old);
        }
        let me = self.me.clone();
        let timer = try_add_timer(self.outlet.pause(&*transport), move || {
            if let Some(me) = me.upgrade() {
                me.poll.set(None);
                me.drained();
                me.look_later_if_full();
            }
        });
        match timer {
            Ok(timer) => self.poll.set(Some(timer)),
            Err(error) => {
                crate::error!("connection {}: no timer to look for room: {error}", transport.id());
                transport.close();
            }
        }
    }

    /// An upload that waits for room still does.
    fn look_later_if_full(&self) {
        if self.upload.borrow().is_some() && self.is_full() {
            self.look_later();
        }
    }

    /// Sends the requests that may be sent.
    pub(super) fn write_next(self: &Rc<Self>) {
        while self.phase.get() == Phase::Open
            && !self.reading.get()
            && self.upload.borrow().is_none()
            && self.awaited.borrow().is_none()
        {
            let next =
                self.flights.borrow().get(self.written.get()).map(|next| next.exchange.clone());
            let Some(exchange) = next else { return };
            if exchange.is_over() {
                self.flights.borrow_mut().remove(self.written.get());
                continue;
            }
            if self.written.get() == 0 {
                self.limit_silence();
            }
            let mut out = Vec::new();
            match exchange.write_head(self, &mut out) {
                Ok(writer) => {
                    self.written.set(self.written.get() + 1);
                    self.write_body(&exchange, writer, out);
                }
                Err(error) => {
                    self.flights.borrow_mut().remove(self.written.get());
                    exchange.fail(HttpError::Field(error));
                    if self.is_idle() {
                        self.rest();
                    }
                }
            }
        }
    }

    fn write_body(self: &Rc<Self>, exchange: &Rc<Exchange>, writer: BodyWriter, mut out: Vec<u8>) {
        let awaits = exchange.expects_continue();
        let upload = match exchange.body() {
            Body::None => return self.send(&out),
            Body::Bytes(bytes) if bytes.len() <= AT_ONCE && !awaits => {
                out.extend_from_slice(&bytes);
                return self.send(&out);
            }
            Body::Bytes(bytes) => {
                let upload = Upload::new();
                upload.belongs_to(exchange);
                upload.handle().send_each(Slices::new(bytes));
                upload
            }
            Body::Stream(upload, _) => upload,
        };
        self.send(&out);
        if !awaits {
            *self.upload.borrow_mut() = Some(upload.clone());
            return upload.begin(self, writer);
        }
        let me = self.me.clone();
        let timer = try_add_timer(CONTINUE, move || {
            if let Some(me) = me.upgrade() {
                me.go_on();
            }
        });
        *self.awaited.borrow_mut() = Some(Awaited { upload, writer, timer: timer.ok() });
    }

    /// Sends the body, after `100 Continue` or its timeout.
    pub(super) fn go_on(self: &Rc<Self>) {
        let Some(Awaited { upload, writer, timer }) = self.awaited.take() else { return };
        if let Some(timer) = timer {
            timer.cancel();
        }
        *self.upload.borrow_mut() = Some(upload.clone());
        upload.begin(self, writer);
    }

    pub(super) fn ask_for_tunnel(&self, server: &str) {
        let mut headers = Headers::new();
        let pool = self.pool.upgrade();
        let proxy = pool.as_ref().and_then(|pool| pool.settings.proxy.as_ref());
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.as_ref()) {
            // A value that cannot be sent is left out; the proxy then answers 407.
            let _ = headers.append("Proxy-Authorization", authorization);
        }
        let mut out = Vec::new();
        let Some(target) = Target::parse(&Method::CONNECT, server) else {
            return self.fail_transport();
        };
        let request = OutgoingRequest {
            method: &Method::CONNECT,
            target: &target,
            host: server,
            headers: &headers,
            body: None,
            keep_alive: true,
        };
        match write_request(&mut out, &request) {
            Ok(_) => self.send(&out),
            Err(_) => self.fail_transport(),
        }
    }
}
