//! What answers requests, and how a type of the plugin's becomes a handler of connections.

use std::{cell::RefCell, rc::Rc, time::Duration};

use sandloop_http::RequestHead;

use super::{
    request::Request,
    response::Response,
    session::{Session, pump},
    settings::Settings,
};
use crate::{
    connection::{Connection, Drain},
    options::Options,
    plugin::make::Make,
    sockets::Socket,
    types::CloseReason,
};

/// What answers the requests of a connection: EventMachine's `EM::HttpServer`.
///
/// There is one for each connection, made when it is accepted. A type without state is named as it is in
/// [`plugin!`](crate::plugin), another one by a function of nothing or of the listener's [`Options`]:
/// `handlers: [Hello, Files::new]`.
///
/// Requests come in the order in which the client sent them, the next one before the last is answered if the
/// client does not wait; each is answered through its own [`Response`], now or later. What is no request never
/// comes here: it is refused with the status that RFC 9110 has for it.
///
/// | evma_httpserver | here |
/// | --- | --- |
/// | `process_http_request` | the same; the request and its response are given |
/// | `@http_request_method`, `@http_path_info`, `@http_query_string`, `@http_post_content`, `@http_cookie` | `request.method`, `path()`, `query_string()`, `content()`, `cookie(name)` |
/// | `@http_headers` | `request.headers` |
/// | `EM::DelegatedHttpResponse.new(self)` | the `response` that is given |
/// | `response.status =`, `content_type`, `content =`, `set_cookie`, `headers[]=` | `status()`, `content_type()`, `content()`, `set_cookie()`, `header()` |
/// | `send_response`, `send_redirect` | the same |
/// | `send_headers`, `chunk` and `send_chunks`, `send_trailer` | `send_headers()` gives a [`ResponseStream`](super::ResponseStream): `chunk()`, `finish()`, `finish_with()` |
/// | `keep_connection_open` | connections stay unless the client or `response.close()` says otherwise |
/// | `dont_accumulate_post`, `receive_post_data` | [`take_body`](Self::take_body) answers [`Intake::Stream`]; `request.body()` |
pub trait HttpServer: 'static {
    /// A request is there, with its whole body, or with its body to come if [`take_body`](Self::take_body) said so.
    fn process_http_request(&mut self, request: Request, response: Response);

    /// How to take the body that this head announces. Otherwise it is collected, up to
    /// [`Limits::body`](super::Limits::body) of the settings.
    fn take_body(&mut self, head: &RequestHead) -> Intake {
        let _ = head;
        Intake::Collect(self.settings().limits.body)
    }

    /// How much and how long this server takes. Asked when the connection is made.
    fn settings(&self) -> Settings {
        Settings::DEFAULT
    }

    /// The connection has ended. Answers that are still due go nowhere.
    fn unbind(&mut self, reason: CloseReason) {
        let _ = reason;
    }
}

/// How a request's body is taken, and how many bytes of it. One that is longer gets status 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// It is collected first: [`Request::content`].
    Collect(u64),
    /// The request comes when its head is there, and the body through [`Request::body`], without being held. An answer
    /// that is begun before the body's end closes the connection afterwards.
    Stream(u64),
}

/// A connection of an [`HttpServer`].
struct HttpConnection<S>(Rc<RefCell<Session<S>>>);

impl<S: HttpServer> HttpConnection<S> {
    fn boxed(socket: Socket, server: S) -> Box<dyn Connection> {
        Box::new(HttpConnection(Session::start(Rc::new(socket), server)))
    }
}

impl<S: HttpServer> Connection for HttpConnection<S> {
    fn post_init(&mut self) {
        self.0.borrow_mut().opened();
    }

    fn receive_data(&mut self, data: &[u8]) {
        pump(&self.0, data);
    }

    fn drained(&mut self) {
        let pipeline = self.0.borrow().pipeline().clone();
        pipeline.proceed();
        self.0.borrow_mut().drained();
    }

    fn draining(&mut self, within: Duration) -> Drain {
        self.0.borrow_mut().drain(within);
        Drain::UntilClosed
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.0.borrow_mut().unbind(reason);
    }
}

/// How [`plugin!`](crate::plugin) makes connections of an HTTP server.
pub enum Http {}

impl<S: HttpServer> Make<(Http,)> for S {
    fn make(self, socket: Socket, _: &Options) -> Box<dyn Connection> {
        HttpConnection::boxed(socket, self)
    }
}

impl<F: FnOnce() -> S, S: HttpServer> Make<((), Http)> for F {
    fn make(self, socket: Socket, _: &Options) -> Box<dyn Connection> {
        HttpConnection::boxed(socket, self())
    }
}

impl<F: FnOnce(&Options) -> S, S: HttpServer> Make<(Options, Http)> for F {
    fn make(self, socket: Socket, options: &Options) -> Box<dyn Connection> {
        HttpConnection::boxed(socket, self(options))
    }
}
