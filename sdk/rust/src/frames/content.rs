//! Requests of header lines and a body.

use std::{rc::Rc, time::Duration};

use sandloop_frames::content::{ContentDecoder, ContentError, ContentEvent, ContentLimits};

use crate::{
    connection::{Connection, Drain},
    sockets::Socket,
    transport::Transport,
    types::CloseReason,
};

/// A connection of requests: header lines, an empty line, and a body as long as `Content-Length` says: EventMachine's
/// `HeaderAndContentProtocol`.
///
/// Otherwise than in EventMachine only a field of that name is a length, one that is no number is refused, and a body
/// that is cut off by the connection's end is no request.
pub trait HeaderAndContentProtocol: 'static {
    /// As [`Connection::post_init`].
    fn post_init(&mut self) {}

    /// As [`Connection::connection_completed`].
    fn connection_completed(&mut self) {}

    /// A whole request; the body is empty where there is none.
    fn receive_request(&mut self, headers: Vec<Vec<u8>>, content: Vec<u8>);

    /// The header lines of the request that comes.
    fn receive_headers(&mut self, headers: &[Vec<u8>]) {
        let _ = headers;
    }

    /// The first of them, as soon as it has come.
    fn receive_first_header_line(&mut self, line: &[u8]) {
        let _ = line;
    }

    /// What has come is no request, or is larger than [`limits`](Self::limits) says. The connection closes once what
    /// this sends is written.
    fn receive_error(&mut self, error: ContentError) {
        let _ = error;
    }

    /// How much is taken. Asked once, before `post_init`.
    fn limits(&self) -> ContentLimits {
        ContentLimits::default()
    }

    /// As [`Connection::drained`].
    fn drained(&mut self) {}

    /// As [`Connection::draining`].
    fn draining(&mut self, within: Duration) -> Drain {
        let _ = within;
        Drain::WhenIdle
    }

    /// As [`Connection::unbind`].
    fn unbind(&mut self, reason: CloseReason) {
        let _ = reason;
    }

    /// Makes a connection for [`connect`](crate::connect): `connect(host, port, Client::connection(Client))`.
    fn connection(
        make: impl FnOnce(Socket) -> Self + 'static,
    ) -> impl FnOnce(Socket) -> ContentConnection<Self> + 'static
    where
        Self: Sized,
    {
        move |socket| ContentConnection::new(socket, make)
    }
}

/// A connection of a [`HeaderAndContentProtocol`].
pub struct ContentConnection<H> {
    handler: H,
    decoder: ContentDecoder,
    transport: Rc<dyn Transport>,
}

impl<H: HeaderAndContentProtocol> ContentConnection<H> {
    pub(super) fn new(socket: Socket, make: impl FnOnce(Socket) -> H) -> ContentConnection<H> {
        ContentConnection::start(make(socket.clone()), Rc::new(socket))
    }

    pub(super) fn start(handler: H, transport: Rc<dyn Transport>) -> ContentConnection<H> {
        let decoder = ContentDecoder::new(handler.limits());
        ContentConnection { handler, decoder, transport }
    }
}

impl<H: HeaderAndContentProtocol> Connection for ContentConnection<H> {
    fn post_init(&mut self) {
        self.handler.post_init();
    }

    fn connection_completed(&mut self) {
        self.handler.connection_completed();
    }

    fn receive_data(&mut self, mut data: &[u8]) {
        loop {
            match self.decoder.decode(&mut data) {
                Ok(None) => return,
                Ok(Some(ContentEvent::FirstLine(line))) => {
                    self.handler.receive_first_header_line(&line);
                }
                Ok(Some(ContentEvent::Headers(headers))) => self.handler.receive_headers(&headers),
                Ok(Some(ContentEvent::Request { headers, content })) => {
                    self.handler.receive_request(headers, content);
                }
                Err(error) => {
                    self.handler.receive_error(error);
                    super::end(&*self.transport, &error);
                }
            }
        }
    }

    fn drained(&mut self) {
        self.handler.drained();
    }

    fn draining(&mut self, within: Duration) -> Drain {
        self.handler.draining(within)
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.handler.unbind(reason);
    }
}
