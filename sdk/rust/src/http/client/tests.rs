//! A client without sockets: the test is the server.

mod bodies;
mod connections;
mod leftovers;
mod redirects;
mod responses;

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
    time::Duration,
};

use super::{
    ClientSettings, HttpClient, HttpError, HttpRequest, HttpResponse, HttpTransfer, dialer::Dialer,
    link::Link, pool::Pool,
};
use crate::{
    deferrable::Deferrable,
    http::tests::{FakeSocket, Wire},
    types::{CloseReason, ErrorCode},
};

/// A connection that the client has asked for.
#[derive(Clone)]
struct Peer {
    address: String,
    link: Rc<Link>,
    wire: Rc<RefCell<Wire>>,
}

impl Peer {
    fn connect(&self) -> &Self {
        self.link.connected();
        self
    }

    fn send(&self, bytes: impl AsRef<[u8]>) -> &Self {
        self.link.receive(bytes.as_ref());
        self
    }

    fn end(&self, reason: CloseReason) {
        self.link.unbind(reason);
    }

    fn wire(&self) -> RefMut<'_, Wire> {
        self.wire.borrow_mut()
    }

    #[track_caller]
    fn expect(&self, bytes: &str) -> &Self {
        let sent = std::mem::take(&mut self.wire().sent);
        assert_eq!(String::from_utf8_lossy(&sent), bytes);
        self
    }

    /// Forgets what was sent.
    fn skip(&self) -> &Self {
        self.wire().sent.clear();
        self
    }
}

#[derive(Default)]
struct Network {
    peers: Vec<Peer>,
    refusal: Option<ErrorCode>,
}

struct FakeDialer(Rc<RefCell<Network>>);

impl Dialer for FakeDialer {
    fn dial(&self, link: &Rc<Link>, host: &str, port: u16, _: Duration) -> Result<(), ErrorCode> {
        let mut network = self.0.borrow_mut();
        if let Some(refusal) = network.refusal {
            return Err(refusal);
        }
        let wire = Rc::new(RefCell::new(Wire { outbox_max: 1 << 24, ..Wire::default() }));
        link.attach(Rc::new(FakeSocket(wire.clone())));
        network.peers.push(Peer { address: format!("{host}:{port}"), link: link.clone(), wire });
        Ok(())
    }
}

/// A client and what it connects to.
struct World {
    client: HttpClient,
    network: Rc<RefCell<Network>>,
}

impl World {
    fn new() -> World {
        World::with(ClientSettings::default())
    }

    fn with(settings: ClientSettings) -> World {
        let network = Rc::default();
        let settings = ClientSettings { user_agent: String::new(), ..settings };
        let pool = Pool::new(settings, Box::new(FakeDialer(Rc::clone(&network))));
        World { client: HttpClient(pool), network }
    }

    /// How many connections were asked for.
    fn count(&self) -> usize {
        self.network.borrow().peers.len()
    }

    /// The connection with this number.
    fn peer(&self, number: usize) -> Peer {
        Ref::map(self.network.borrow(), |network| &network.peers[number]).clone()
    }

    /// A request that is sent, and the other end of the newest connection, which is made.
    fn sent(&self, request: HttpRequest) -> (Watched, Peer) {
        let watched = watch(&request.send());
        let peer = self.peer(self.count() - 1);
        peer.connect();
        (watched, peer)
    }

    fn get(&self) -> (Watched, Peer) {
        let (watched, peer) = self.sent(self.client.get("http://h/a?b"));
        peer.skip();
        (watched, peer)
    }
}

/// What became of a request.
#[derive(Clone)]
struct Watched {
    transfer: HttpTransfer,
    outcome: Rc<RefCell<Option<Result<HttpResponse, HttpError>>>>,
}

fn watch(transfer: &HttpTransfer) -> Watched {
    let outcome = Rc::new(RefCell::new(None));
    let (good, bad) = (outcome.clone(), outcome.clone());
    transfer
        .callback(move |response| *good.borrow_mut() = Some(Ok(response.clone())))
        .errback(move |error| *bad.borrow_mut() = Some(Err(error.clone())));
    Watched { transfer: transfer.clone(), outcome }
}

impl Watched {
    fn is_over(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    #[track_caller]
    fn response(&self) -> HttpResponse {
        match self.outcome.borrow().clone() {
            Some(Ok(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn error(&self) -> HttpError {
        match self.outcome.borrow().clone() {
            Some(Err(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

/// A plain response.
fn ok(content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}
