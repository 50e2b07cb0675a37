//! How a link ends, and what becomes of its requests.

use std::rc::Rc;

use sandloop_http::Headers;

use super::{Awaited, Flight, Link, Phase};
use crate::{
    http::client::{error::HttpError, exchange::Exchange},
    types::CloseReason,
};

impl Link {
    /// Takes no more requests, and closes when its output is sent.
    pub(crate) fn close(self: &Rc<Self>) {
        if self.phase.replace(Phase::Over) == Phase::Over {
            return;
        }
        self.let_go();
        self.end_transport();
        self.leave_pool();
    }

    /// The connection is to come to its end: it closes as soon as no response is to come.
    pub(crate) fn drain(self: &Rc<Self>) {
        self.draining.set(true);
        if self.is_idle() {
            self.close();
        }
    }

    /// Gives a request up, and the connection with it, because its response would still come.
    pub(crate) fn give_up(self: &Rc<Self>, exchange: &Rc<Exchange>) {
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
        self.responses.set(self.responses.get() + 1);
        if place == 0 {
            self.begun.set(false);
        }
        self.break_off(CloseReason::Closed, None);
    }

    pub(crate) fn unbind(self: &Rc<Self>, reason: CloseReason) {
        let phase = self.phase.get();
        let failure = self.transport().and_then(|transport| transport.tls_failure());
        let error = match phase {
            Phase::Over => return self.let_go(),
            _ if failure.is_some() => failure.map(HttpError::Tls),
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

    /// Gives the connection up. Requests that were not sent go over another one, and so do, once, those without any
    /// part of a response if they may be repeated; unless `error` would only come again.
    pub(super) fn break_off(self: &Rc<Self>, reason: CloseReason, error: Option<&HttpError>) {
        let written = self.written.get();
        for (index, Flight { exchange, .. }) in self.abandon().into_iter().enumerate() {
            let begun = index == 0 && self.begun.get();
            // A fresh connection would fail the same way.
            let stale = 0 < self.responses.get() || 0 < index;
            let goes_on = match error {
                Some(_) => false,
                None if index < written => stale && !begun && exchange.retry(),
                None => exchange.send_elsewhere(),
            };
            if !goes_on {
                exchange.fail(error.cloned().unwrap_or(HttpError::Truncated(reason)));
            }
        }
    }

    /// Gives the connection up, because the other side has spoken before it was asked anything. Another connection is
    /// tried, once.
    pub(super) fn break_off_unasked(self: &Rc<Self>) {
        for Flight { exchange, .. } in self.abandon() {
            if !exchange.send_once_more() {
                exchange.fail(HttpError::Unasked);
            }
        }
    }

    /// Ends the connection and returns the requests that it had.
    fn abandon(self: &Rc<Self>) -> Vec<Flight> {
        self.phase.set(Phase::Over);
        self.let_go();
        self.end_transport();
        let flights = std::mem::take(&mut *self.flights.borrow_mut());
        self.written.set(0);
        self.leave_pool();
        flights.into()
    }

    /// Closes the connection: at once where the other side does not read, because nothing that it has not read matters
    /// any more.
    fn end_transport(&self) {
        let Some(transport) = self.transport() else { return };
        if self.outlet.load(&*transport) == 0 {
            transport.close_after_writing();
        } else {
            self.outlet.clear();
            transport.close();
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
}
