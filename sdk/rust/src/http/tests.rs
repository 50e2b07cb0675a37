//! A server without a socket: the bytes go in, the bytes come out, and the clock is the test's.

mod answers;
mod bodies;
mod closing;
mod compression;
mod draining;
mod statuses;
mod timeouts;
mod turns;
mod upgrade;

use std::{
    cell::{RefCell, RefMut},
    rc::Rc,
};

use sandloop_http::RequestHead;

use super::{
    HttpServer, Intake, Request, Response, Settings,
    session::{Session, pump},
};
pub(super) use crate::transport::fake::{FakeSocket, Wire};
use crate::types::CloseReason;

type Process = Box<dyn FnMut(Request, Response)>;

/// What a case does with a request.
type Work = fn(Request, Response);

/// What a case does before the answer is sent.
type Prepare = fn(&mut Response);

/// How a case answers.
type Reply = fn(Response);

type TakeBody = fn(&RequestHead) -> Intake;

/// A server that does what the test says.
struct Server {
    process: Process,
    intake: TakeBody,
    settings: Settings,
    ended: Rc<RefCell<Option<CloseReason>>>,
}

impl HttpServer for Server {
    fn process_http_request(&mut self, request: Request, response: Response) {
        (self.process)(request, response);
    }

    fn take_body(&mut self, head: &RequestHead) -> Intake {
        (self.intake)(head)
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn unbind(&mut self, reason: CloseReason) {
        *self.ended.borrow_mut() = Some(reason);
    }
}

/// A client of such a server.
struct Client {
    session: Rc<RefCell<Session<Server>>>,
    wire: Rc<RefCell<Wire>>,
    ended: Rc<RefCell<Option<CloseReason>>>,
}

const SETTINGS: Settings = Settings { date: false, ..Settings::DEFAULT };

impl Client {
    fn of(process: impl FnMut(Request, Response) + 'static) -> Client {
        Client::with(SETTINGS, |_| Intake::Collect(1000), process)
    }

    fn with(
        settings: Settings,
        intake: TakeBody,
        process: impl FnMut(Request, Response) + 'static,
    ) -> Client {
        let wire = Rc::new(RefCell::new(Wire { outbox_max: 1 << 24, ..Wire::default() }));
        let ended = Rc::default();
        let server =
            Server { process: Box::new(process), intake, settings, ended: Rc::clone(&ended) };
        let session = Session::start(Rc::new(FakeSocket(wire.clone())), server);
        session.borrow_mut().opened();
        Client { session, wire, ended }
    }

    fn send(&self, bytes: impl AsRef<[u8]>) -> &Self {
        assert!(!self.wire().paused, "a paused socket delivers nothing");
        pump(&self.session, bytes.as_ref());
        self
    }

    /// The outbox is empty.
    fn drain(&self) -> &Self {
        self.wire().outbound = 0;
        let pipeline = self.session.borrow().pipeline().clone();
        pipeline.proceed();
        self.session.borrow_mut().drained();
        self
    }

    fn unbind(&self, reason: CloseReason) {
        self.session.borrow_mut().unbind(reason);
    }

    fn wire(&self) -> RefMut<'_, Wire> {
        self.wire.borrow_mut()
    }

    /// What was sent since the last time.
    fn received(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.wire().sent)).unwrap()
    }

    #[track_caller]
    fn expect(&self, bytes: &str) -> &Self {
        assert_eq!(self.received(), bytes);
        self
    }
}

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n";

/// The head of a plain answer.
fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
}

/// Requests' answers, to be sent in whatever order.
type Kept = Rc<RefCell<Vec<Response>>>;

/// A server that keeps the responses for the test.
fn keeping() -> (Client, Kept) {
    let kept = Kept::default();
    let client = Client::of({
        let kept = kept.clone();
        move |_, response| kept.borrow_mut().push(response)
    });
    (client, kept)
}

fn answer(mut response: Response, content: &str) {
    response.content(content);
    response.send_response();
}
