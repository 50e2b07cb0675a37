//! One connection to a server: requests are sent one after the other, and answered in that order.

mod ending;
mod reading;
mod writing;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_http::{Method, ResponseDecoder, writer::BodyWriter};

use super::{
    error::HttpError,
    exchange::Exchange,
    pool::{Origin, Pool},
    upload::Upload,
};
use crate::{
    timers::Timer,
    tls::TlsClient,
    transport::{Transport, outlet::Outlet},
    types::CloseReason,
};

/// One connection to a server.
pub(super) struct Link {
    pub origin: Origin,
    pool: Weak<Pool>,
    me: Weak<Link>,
    transport: RefCell<Option<Rc<dyn Transport>>>,
    /// What waits for room in the outbox.
    outlet: Outlet,
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
    /// The number of responses that are over.
    responses: Cell<u64>,
    /// A part of the present response has come.
    begun: Cell<bool>,
    /// Bytes are being read. They came before anything that is sent now, so nothing is sent until all are read.
    reading: Cell<bool>,
    paused: Cell<bool>,
    /// It closes when its last response has come.
    draining: Cell<bool>,
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

impl Link {
    pub(crate) fn new(pool: &Rc<Pool>, origin: Origin) -> Rc<Link> {
        Rc::new_cyclic(|me| Link {
            origin,
            pool: Rc::downgrade(pool),
            me: me.clone(),
            transport: RefCell::new(None),
            outlet: Outlet::default(),
            phase: Cell::new(Phase::Connecting),
            decoder: RefCell::new(ResponseDecoder::new(pool.settings.limits)),
            flights: RefCell::default(),
            written: Cell::new(0),
            upload: RefCell::new(None),
            awaited: RefCell::new(None),
            responses: Cell::new(0),
            begun: Cell::new(false),
            reading: Cell::new(false),
            paused: Cell::new(false),
            draining: Cell::new(false),
            poll: Cell::new(None),
        })
    }

    // Called by the pool.

    /// Queues a request.
    pub(crate) fn take(self: &Rc<Self>, exchange: Rc<Exchange>) {
        let method = exchange.method();
        self.flights.borrow_mut().push_back(Flight { exchange, method });
        self.write_next();
    }

    pub(crate) fn is_idle(&self) -> bool {
        let is_free = self.phase.get() == Phase::Open && !self.reading.get();
        is_free && self.flights.borrow().is_empty()
    }

    /// Whether another request may be pipelined.
    pub(crate) fn takes_another(&self, depth: usize) -> bool {
        let busy = self.upload.borrow().is_some() || self.awaited.borrow().is_some();
        let flights = self.flights.borrow();
        let repeatable = flights.iter().all(|flight| flight.exchange.is_repeatable());
        self.phase.get() != Phase::Over && !busy && repeatable && flights.len() < depth
    }

    pub(crate) fn load(&self) -> usize {
        self.flights.borrow().len()
    }

    // Called by an exchange.

    /// Reads, or does not, as the request that is being answered wants it.
    pub(crate) fn settle_pause(&self) {
        let first = self.flights.borrow().front().map(|first| first.exchange.clone());
        let is_open = self.phase.get() == Phase::Open;
        let paused = is_open && first.is_some_and(|exchange| exchange.holds_body());
        if self.paused.replace(paused) != paused {
            self.apply_pause();
        }
    }

    // Called by the connection.

    pub(crate) fn attach(&self, transport: Rc<dyn Transport>) {
        *self.transport.borrow_mut() = Some(transport);
    }

    pub(crate) fn connected(self: &Rc<Self>) {
        if self.phase.get() != Phase::Connecting {
            return;
        }
        self.limit_silence();
        match self.origin.tunnel.clone() {
            None if self.begin_tls() => {
                self.phase.set(Phase::Open);
                self.write_next();
            }
            None => {}
            Some(server) => {
                self.phase.set(Phase::Tunnelling);
                self.ask_for_tunnel(&server);
            }
        }
    }

    /// Begins TLS where the server has it: what is sent from now on waits for the handshake. False where it cannot begin, and
    /// the requests are told.
    fn begin_tls(self: &Rc<Self>) -> bool {
        let (Some(transport), Some(pool)) = (self.transport(), self.pool.upgrade()) else {
            return false;
        };
        if !self.origin.is_tls {
            return true;
        }
        let mut client = TlsClient::new(self.origin.server_name()).alpn(["http/1.1"]);
        if let Some(profile) = &pool.settings.tls_profile {
            client = client.profile(profile);
        }
        match transport.start_tls(client) {
            Ok(()) => true,
            Err(error) => {
                self.break_off(CloseReason::Closed, Some(&HttpError::TlsRefused(error)));
                false
            }
        }
    }

    fn transport(&self) -> Option<Rc<dyn Transport>> {
        self.transport.borrow().clone()
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
            (Some(transport), Some(pool))
                if !pool.settings.keep_alive.is_zero() && !self.draining.get() =>
            {
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
