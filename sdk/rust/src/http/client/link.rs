//! One connection to a server: requests are sent one after the other, and answered in that order.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_http::{
    Headers, Method, ResponseDecoder, ResponseError, ResponseEvent, ResponseHead, StatusCode,
    Target,
    writer::{BodyWriter, OutgoingRequest, write_request},
};

use super::{
    error::HttpError,
    exchange::{Body, Exchange},
    pool::{Origin, Pool},
    upload::Upload,
};
use crate::{
    http::slices::Slices,
    reactor::try_next_tick,
    timers::{Timer, try_add_timer},
    transport::Transport,
    types::{CloseReason, ErrorCode},
};

/// One connection to a server.
pub(super) struct Link {
    pub origin: Origin,
    pool: Weak<Pool>,
    me: Weak<Link>,
    transport: RefCell<Option<Rc<dyn Transport>>>,
    phase: Cell<Phase>,
    decoder: RefCell<ResponseDecoder>,
    /// Requests without a complete response; those that are not sent yet are at the end.
    flights: RefCell<VecDeque<Flight>>,
    /// The number of them that are sent.
    written: Cell<usize>,
    /// The body that is being sent.
    upload: RefCell<Option<Rc<Upload>>>,
    /// The body that waits for `100 Continue`.
    awaited: RefCell<Option<Awaited>>,
    /// The number of complete responses.
    responses: Cell<u64>,
    /// A part of the present response has come.
    begun: Cell<bool>,
    paused: Cell<bool>,
    poll: Cell<Option<Timer>>,
}

/// A body that waits for `100 Continue`, and the timer that ends the wait.
struct Awaited {
    upload: Rc<Upload>,
    writer: BodyWriter,
    timer: Option<Timer>,
}

/// A request in flight.
struct Flight {
    exchange: Rc<Exchange>,
    /// The method that was sent: a redirect may change the exchange's.
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// The proxy has been asked for a tunnel.
    Tunnelling,
    Open,
    Over,
}

/// Bodies up to this size are sent with the head.
const AT_ONCE: usize = 64 * 1024;
/// A server that does not know `Expect` gets the body after this time.
const CONTINUE: Duration = Duration::from_secs(1);
/// How often the outbox is polled, because the host may not report that the server has caught up.
const POLL: Duration = Duration::from_millis(100);

impl Link {
    pub fn new(pool: &Rc<Pool>, origin: Origin) -> Rc<Link> {
        Rc::new_cyclic(|me| Link {
            origin,
            pool: Rc::downgrade(pool),
            me: me.clone(),
            transport: RefCell::new(None),
            phase: Cell::new(Phase::Connecting),
            decoder: RefCell::new(ResponseDecoder::new(pool.settings.limits)),
            flights: RefCell::default(),
            written: Cell::new(0),
            upload: RefCell::new(None),
            awaited: RefCell::new(None),
            responses: Cell::new(0),
            begun: Cell::new(false),
            paused: Cell::new(false),
            poll: Cell::new(None),
        })
    }

    // Called by the pool.

    /// Queues a request.
    pub fn take(self: &Rc<Self>, exchange: Rc<Exchange>) {
        let method = exchange.method();
        self.flights.borrow_mut().push_back(Flight { exchange, method });
        self.write_next();
    }

    pub fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Open && self.flights.borrow().is_empty()
    }

    /// Whether another request may be pipelined.
    pub fn takes_another(&self, depth: usize) -> bool {
        let busy = self.upload.borrow().is_some() || self.awaited.borrow().is_some();
        let flights = self.flights.borrow();
        let repeatable = flights.iter().all(|flight| flight.exchange.is_repeatable());
        self.phase.get() != Phase::Over && !busy && repeatable && flights.len() < depth
    }

    pub fn load(&self) -> usize {
        self.flights.borrow().len()
    }

    /// Takes no more requests, and closes when its output is sent.
    pub fn close(self: &Rc<Self>) {
        if self.phase.replace(Phase::Over) == Phase::Over {
            return;
        }
        self.let_go();
        if let Some(transport) = self.transport() {
            transport.close_after_writing();
        }
        self.leave_pool();
    }

    // Called by an exchange.

    /// Gives a request up, and the connection with it, because its response would still come.
    pub fn give_up(self: &Rc<Self>, exchange: &Rc<Exchange>) {
        let place = {
            let mut flights = self.flights.borrow_mut();
            let is_it = |flight: &Flight| Rc::ptr_eq(&flight.exchange, exchange);
            let Some(place) = flights.iter().position(is_it) else { return };
            flights.remove(place);
            place
        };
        if self.written.get() <= place {
            return;
        }
        self.written.set(self.written.get() - 1);
        self.break_off(CloseReason::Closed, None);
    }

    pub fn pause(&self, exchange: &Exchange, paused: bool) {
        let is_first = {
            let flights = self.flights.borrow();
            flights.front().is_some_and(|first| std::ptr::eq(&raw const *first.exchange, exchange))
        };
        if is_first && self.paused.replace(paused) != paused {
            self.apply_pause();
        }
    }

    // Called by an upload.

    pub fn send(&self, data: &[u8]) {
        let Some(transport) = self.transport().filter(|_| !data.is_empty()) else { return };
        if transport.send(data) == Err(ErrorCode::OutboxFull) {
            let (id, length) = (transport.id(), data.len());
            crate::error!("connection {id}: its outbox has no room for {length} bytes; closing it");
            transport.close();
        }
    }

    pub fn outbound(&self) -> usize {
        self.transport().map_or(0, |transport| transport.outbound())
    }

    /// Continues an upload when there is room; if there is room now, in a tick.
    pub fn tell_room(self: &Rc<Self>, is_full: bool) {
        let me = self.me.clone();
        let look = move || {
            if let Some(me) = me.upgrade() {
                me.poll.set(None);
                me.drained();
            }
        };
        if !is_full {
            if try_next_tick(look).is_err() {
                self.fail_transport();
            }
        } else if let Some(old) = self.poll.replace(try_add_timer(POLL, look).ok()) {
            old.cancel();
        }
    }

    /// The body is sent.
    pub fn uploaded(self: &Rc<Self>) {
        self.upload.take();
        self.write_next();
    }

    // Called by the connection.

    pub fn attach(&self, transport: Rc<dyn Transport>) {
        *self.transport.borrow_mut() = Some(transport);
    }

    pub fn connected(self: &Rc<Self>) {
        if self.phase.get() != Phase::Connecting {
            return;
        }
        self.limit_silence();
        match self.origin.tunnel.clone() {
            None => {
                self.phase.set(Phase::Open);
                self.write_next();
            }
            Some(server) => {
                self.phase.set(Phase::Tunnelling);
                self.ask_for_tunnel(&server);
            }
        }
    }

    pub fn receive(self: &Rc<Self>, data: &[u8]) {
        let mut input = data;
        while self.phase.get() == Phase::Tunnelling {
            let event = self.decoder.borrow_mut().decode(&mut input, &Method::CONNECT);
            match event {
                Ok(None) => return,
                Ok(Some(ResponseEvent::Head(head))) => self.tunnelled(&head),
                Ok(Some(_)) => {}
                Err(error) => return self.refuse(error),
            }
        }
        while self.phase.get() == Phase::Open && !input.is_empty() {
            let Some((exchange, method)) = self.answered() else {
                // No request awaits a response.
                return self.close();
            };
            let event = self.decoder.borrow_mut().decode(&mut input, &method);
            self.begun.set(true);
            match event {
                Ok(None) => return,
                Ok(Some(ResponseEvent::Informational(head))) => {
                    if head.status == StatusCode::CONTINUE {
                        self.go_on();
                    }
                }
                Ok(Some(ResponseEvent::Head(head)))
                    if head.status == StatusCode::SWITCHING_PROTOCOLS =>
                {
                    exchange.abort(HttpError::Upgraded);
                }
                Ok(Some(ResponseEvent::Head(head))) => {
                    exchange.head(head);
                    self.take_end(&exchange, &method);
                }
                Ok(Some(ResponseEvent::Data(data))) => {
                    exchange.data(data);
                    self.take_end(&exchange, &method);
                }
                Ok(Some(ResponseEvent::End(trailers))) => self.complete(&exchange, trailers),
                Err(error) => return self.refuse(error),
            }
        }
    }

    pub fn drained(&self) {
        let upload = self.upload.borrow().clone();
        if let Some(upload) = upload {
            upload.advance();
        }
    }

    pub fn unbind(self: &Rc<Self>, reason: CloseReason) {
        let phase = self.phase.get();
        let error = match phase {
            Phase::Over => return self.let_go(),
            Phase::Connecting | Phase::Tunnelling => Some(HttpError::Connect(reason)),
            Phase::Open if reason == CloseReason::InactivityTimeout => Some(HttpError::Timeout),
            Phase::Open => None,
        };
        // Only an orderly end completes a response without a length.
        let at_end = phase == Phase::Open
            && reason == CloseReason::PeerClosed
            && self.decoder.borrow_mut().finish() == Ok(true);
        let ended = if at_end { self.answered() } else { None };
        if ended.is_some() {
            self.flights.borrow_mut().pop_front();
            self.written.set(self.written.get() - 1);
            self.responses.set(self.responses.get() + 1);
            self.begun.set(false);
        }
        self.break_off(reason, error.as_ref());
        if let Some((exchange, _)) = ended {
            exchange.end(Headers::new());
        }
    }

    fn transport(&self) -> Option<Rc<dyn Transport>> {
        self.transport.borrow().clone()
    }

    /// The request that is being answered, and the method that was sent.
    fn answered(&self) -> Option<(Rc<Exchange>, Method)> {
        if self.written.get() == 0 {
            return None;
        }
        let flights = self.flights.borrow();
        flights.front().map(|first| (first.exchange.clone(), first.method.clone()))
    }

    /// Sends the requests that may be sent.
    fn write_next(self: &Rc<Self>) {
        while self.phase.get() == Phase::Open
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
    fn go_on(self: &Rc<Self>) {
        let Some(Awaited { upload, writer, timer }) = self.awaited.take() else { return };
        if let Some(timer) = timer {
            timer.cancel();
        }
        *self.upload.borrow_mut() = Some(upload.clone());
        upload.begin(self, writer);
    }

    /// Takes an end that needs no more bytes at once, because none may come.
    fn take_end(self: &Rc<Self>, exchange: &Rc<Exchange>, method: &Method) {
        if self.phase.get() != Phase::Open {
            return;
        }
        let event = self.decoder.borrow_mut().decode(&mut [].as_slice(), method);
        match event {
            Ok(Some(ResponseEvent::End(trailers))) => self.complete(exchange, trailers),
            Ok(_) => {}
            Err(error) => self.refuse(error),
        }
    }

    /// Completes a response.
    fn complete(self: &Rc<Self>, exchange: &Rc<Exchange>, trailers: Headers) {
        self.flights.borrow_mut().pop_front();
        self.written.set(self.written.get() - 1);
        self.responses.set(self.responses.get() + 1);
        self.begun.set(false);
        if self.paused.replace(false) {
            self.apply_pause();
        }
        // A server that answers before it has the whole request does not want the rest.
        let unsent = self.upload.borrow().is_some() || self.awaited.borrow().is_some();
        let first_unsent = unsent && self.written.get() == 0;
        if self.decoder.borrow().is_over() || !exchange.keeps_alive() || first_unsent {
            self.break_off(CloseReason::PeerClosed, None);
        } else {
            if let Some(pool) = self.pool.upgrade() {
                pool.refill(self);
            }
            if self.is_idle() {
                self.rest();
            }
        }
        exchange.end(trailers);
    }

    /// Gives the connection up. Requests without any part of a response are sent over another one if they may be,
    /// unless `error` would only repeat.
    fn break_off(self: &Rc<Self>, reason: CloseReason, error: Option<&HttpError>) {
        self.phase.set(Phase::Over);
        self.let_go();
        if let Some(transport) = self.transport() {
            transport.close_after_writing();
        }
        let flights = std::mem::take(&mut *self.flights.borrow_mut());
        self.written.set(0);
        self.leave_pool();
        for (index, Flight { exchange, .. }) in flights.into_iter().enumerate() {
            let begun = index == 0 && self.begun.get();
            // A fresh connection would fail the same way.
            let stale = 0 < self.responses.get() || 0 < index;
            let unheard = error.is_none() && stale && !begun;
            if !(unheard && exchange.retry()) {
                exchange.fail(error.cloned().unwrap_or(HttpError::Truncated(reason)));
            }
        }
    }

    /// Fails, because the server does not send HTTP.
    fn refuse(self: &Rc<Self>, error: ResponseError) {
        let first = self.flights.borrow_mut().pop_front();
        self.written.set(self.written.get().saturating_sub(1));
        self.break_off(CloseReason::Closed, None);
        if let Some(Flight { exchange, .. }) = first {
            exchange.fail(HttpError::Response(error));
        }
    }

    fn ask_for_tunnel(&self, server: &str) {
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

    fn tunnelled(self: &Rc<Self>, head: &ResponseHead) {
        if head.status.is_success() {
            let limits = self
                .pool
                .upgrade()
                .map_or(sandloop_http::Limits::CLIENT, |pool| pool.settings.limits);
            *self.decoder.borrow_mut() = ResponseDecoder::new(limits);
            self.phase.set(Phase::Open);
            self.write_next();
        } else {
            self.break_off(CloseReason::Closed, Some(&HttpError::Proxy(head.status)));
        }
    }

    /// Starts the inactivity timeout, because a request is under way.
    fn limit_silence(&self) {
        if let (Some(transport), Some(pool)) = (self.transport(), self.pool.upgrade()) {
            transport.set_inactivity_timeout(pool.settings.inactivity_timeout);
        }
    }

    /// Starts the keep-alive timeout, because no request is in flight.
    fn rest(self: &Rc<Self>) {
        match (self.transport(), self.pool.upgrade()) {
            (Some(transport), Some(pool)) if !pool.settings.keep_alive.is_zero() => {
                transport.set_inactivity_timeout(pool.settings.keep_alive);
            }
            _ => self.close(),
        }
    }

    fn apply_pause(&self) {
        let Some(transport) = self.transport() else { return };
        if self.paused.get() {
            transport.pause();
            transport.set_inactivity_timeout(Duration::ZERO);
        } else {
            transport.resume();
            self.limit_silence();
        }
    }

    /// Stops the timers and the upload.
    fn let_go(&self) {
        let upload = self.upload.take();
        let awaited = self.awaited.take();
        if let Some(timer) = self.poll.take() {
            timer.cancel();
        }
        if let Some(upload) = upload {
            upload.close();
        }
        if let Some(Awaited { upload, timer, .. }) = awaited {
            upload.close();
            if let Some(timer) = timer {
                timer.cancel();
            }
        }
    }

    fn leave_pool(self: &Rc<Self>) {
        if let Some(pool) = self.pool.upgrade() {
            pool.forget(self);
        }
    }

    fn fail_transport(&self) {
        if let Some(transport) = self.transport() {
            transport.close();
        }
    }
}
