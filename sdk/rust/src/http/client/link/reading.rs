//! What a link reads: the answers to its requests, and nothing else.
//!
//! What came before a request was sent is not its answer (RFC 9112 6.3, 9.2), whatever it looks like. So nothing is
//! sent while bytes are being read, and where some are left that answer nothing, the link is broken off.

use std::rc::Rc;

use sandloop_http::{
    Headers, Method, ResponseDecoder, ResponseError, ResponseEvent, ResponseHead, StatusCode,
};

use super::{Link, Phase};
use crate::{
    http::client::{error::HttpError, exchange::Exchange},
    types::CloseReason,
};

impl Link {
    pub(crate) fn receive(self: &Rc<Self>, data: &[u8]) {
        let mut input = data;
        self.reading.set(true);
        if self.phase.get() == Phase::Tunnelling {
            self.take_tunnel(&mut input);
        }
        self.take_responses(&mut input);
        if self.reading.replace(false) {
            self.send_on();
        }
    }

    fn take_tunnel(self: &Rc<Self>, input: &mut &[u8]) {
        while self.phase.get() == Phase::Tunnelling {
            let event = self.decoder.borrow_mut().decode(input, &Method::CONNECT);
            match event {
                Ok(None) => return,
                Ok(Some(ResponseEvent::Head(head))) => self.tunnelled(&head, input.is_empty()),
                Ok(Some(_)) => {}
                Err(error) => return self.refuse(error, true),
            }
        }
    }

    fn take_responses(self: &Rc<Self>, input: &mut &[u8]) {
        while self.phase.get() == Phase::Open && !input.is_empty() {
            let Some((exchange, method)) = self.answered() else {
                // No request awaits a response.
                return self.break_off(CloseReason::Closed, None);
            };
            let event = self.decoder.borrow_mut().decode(input, &method);
            // An empty line too many behind the last response is none of this one.
            let is_nothing = matches!(event, Ok(None)) && self.decoder.borrow().is_idle();
            let begun = if is_nothing { self.begun.get() } else { self.begun.replace(true) };
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
                    self.settle_pause();
                    self.take_end(&exchange, &method, input.is_empty());
                }
                Ok(Some(ResponseEvent::Data(data))) => {
                    exchange.data(data);
                    self.take_end(&exchange, &method, input.is_empty());
                }
                Ok(Some(ResponseEvent::End(trailers))) => {
                    self.complete(&exchange, trailers, input.is_empty());
                }
                Err(error) => return self.refuse(error, begun),
            }
        }
    }

    /// The request that is being answered, and the method that was sent.
    pub(super) fn answered(&self) -> Option<(Rc<Exchange>, Method)> {
        if self.written.get() == 0 {
            return None;
        }
        let flights = self.flights.borrow();
        flights.front().map(|first| (first.exchange.clone(), first.method.clone()))
    }

    /// Takes an end that needs no more bytes at once, because none may come.
    fn take_end(self: &Rc<Self>, exchange: &Rc<Exchange>, method: &Method, is_last: bool) {
        if self.phase.get() != Phase::Open {
            return;
        }
        let event = self.decoder.borrow_mut().decode(&mut [].as_slice(), method);
        match event {
            Ok(Some(ResponseEvent::End(trailers))) => self.complete(exchange, trailers, is_last),
            Ok(_) => {}
            Err(error) => self.refuse(error, true),
        }
    }

    /// Completes a response. `is_last`: all bytes that have come are read.
    fn complete(self: &Rc<Self>, exchange: &Rc<Exchange>, trailers: Headers, is_last: bool) {
        self.flights.borrow_mut().pop_front();
        self.written.set(self.written.get() - 1);
        self.responses.set(self.responses.get() + 1);
        self.begun.set(false);
        self.settle_pause();
        let is_over = self.decoder.borrow().is_over() || !exchange.keeps_alive();
        // What follows answers nothing that was asked.
        let is_spoiled = self.written.get() == 0 && !is_last;
        // A server that answers before it has the whole request does not want the rest.
        let is_unheard = self.written.get() == 0 && self.is_sending();
        if is_over || is_spoiled || is_unheard {
            self.break_off(CloseReason::PeerClosed, None);
        } else if is_last {
            self.reading.set(false);
            self.send_on();
        }
        exchange.end(trailers);
    }

    /// Whether a part of a request is still to be sent.
    fn is_sending(&self) -> bool {
        let load = self.transport().map_or(0, |transport| self.outlet.load(&*transport));
        self.upload.borrow().is_some() || self.awaited.borrow().is_some() || 0 < load
    }

    /// Sends what waits for the link, after everything is read.
    fn send_on(self: &Rc<Self>) {
        if self.phase.get() != Phase::Open {
            return;
        }
        self.write_next();
        if let Some(pool) = self.pool.upgrade() {
            pool.refill(self);
        }
        if self.is_idle() {
            self.rest();
        }
    }

    /// Fails, because the server does not send HTTP. `begun`: a part of the response was.
    fn refuse(self: &Rc<Self>, error: ResponseError, begun: bool) {
        // What came late, such as one line end too many behind the last answer, is none to this request.
        let is_late = error == ResponseError::StatusLine && !begun && 0 < self.responses.get();
        let first = self.flights.borrow_mut().pop_front();
        self.written.set(self.written.get().saturating_sub(1));
        self.responses.set(self.responses.get() + 1);
        self.begun.set(false);
        self.break_off(CloseReason::Closed, None);
        if let Some(first) = first
            && !(is_late && first.exchange.retry())
        {
            first.exchange.fail(HttpError::Response(error));
        }
    }

    fn tunnelled(self: &Rc<Self>, head: &ResponseHead, is_last: bool) {
        if !head.status.is_success() {
            let error = HttpError::Proxy(head.status);
            return self.break_off(CloseReason::Closed, Some(&error));
        }
        if !is_last {
            return self.break_off_unasked();
        }
        let limits =
            self.pool.upgrade().map_or(sandloop_http::Limits::CLIENT, |pool| pool.settings.limits);
        *self.decoder.borrow_mut() = ResponseDecoder::new(limits);
        // What the proxy has sent so far is not the server's, which speaks through TLS alone.
        if self.begin_tls() {
            self.phase.set(Phase::Open);
        }
    }
}
