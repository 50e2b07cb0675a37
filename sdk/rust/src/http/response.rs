//! The answer to one request.

mod sending;

use std::{fmt, ops::Range};

use sandloop_http::{
    FieldError, Headers, StatusCode,
    coding::{Coding, Compressor},
    status::is_redirect,
    websocket::{extension::accept_deflate, handshake},
    writer::Exchange,
};

use super::{
    pipeline::Slot,
    request::Request,
    stream::{Compress, ResponseStream},
    websocket::{Driver, WebSocket, WebSocketHandler, WebSocketSettings},
};
use crate::{files::FileVersion, transport::FileToSend};

/// The answer to one request, to be sent now or later: it may be kept, in a timer's closure for instance.
///
/// The answers to pipelined requests are sent in the order of the requests, whatever order the plugin sends them in.
/// Dropping an answer is a mistake: the client gets status 500, and the log an error.
///
/// The header fields are sent in the order in which they were added. The length, `Connection` and `Date` follow; the
/// plugin cannot set them.
#[must_use = "a response that is dropped answers with status 500"]
pub struct Response {
    slot: Slot,
    exchange: Exchange,
    status: StatusCode,
    headers: Headers,
    content: Vec<u8>,
    length: Option<u64>,
    /// The first reason why it cannot be sent.
    problem: Option<Problem>,
    /// The compression that the client accepts.
    coding: Option<Coding>,
    compressor: Option<Box<dyn Compress>>,
    /// The body has other bytes than the plugin gave.
    compressed: bool,
    sent: bool,
}

/// Why an answer cannot be sent.
enum Problem {
    Field(FieldError),
    Status(u16),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Field(error) => error.fmt(f),
            Problem::Status(code @ 100..200) => write!(
                f,
                "{code} is an interim status, which another answer follows: choose one from 200 on, or accept_websocket"
            ),
            Problem::Status(code) => write!(f, "{code} is no status: those are 200 to 999"),
        }
    }
}

impl Response {
    pub(super) fn new(slot: Slot, exchange: Exchange, coding: Option<Coding>) -> Response {
        Response {
            slot,
            exchange,
            status: StatusCode::OK,
            headers: Headers::new(),
            content: Vec::new(),
            length: None,
            problem: None,
            coding,
            compressor: None,
            compressed: false,
            sent: false,
        }
    }

    /// Sets the status, which is 200 otherwise. A number that is no status of an answer makes it a 500 and logs an error:
    /// below 200 are interim ones, which another answer follows.
    ///
    /// With 204, 205 and 304 no content is sent. With 426 goes `Upgrade: websocket`, unless another protocol is set.
    pub fn status(&mut self, code: u16) -> &mut Self {
        match StatusCode::from_u16(code) {
            Ok(status) if !status.is_informational() => self.status = status,
            _ => self.refuse(Problem::Status(code)),
        }
        self
    }

    /// Sets a header field and replaces those with this name. A name or value that cannot be sent, such as one with a
    /// line break, makes the answer a 500 and logs an error; see [`try_header`](Self::try_header).
    pub fn header(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        if let Err(error) = self.headers.set(name, value) {
            self.refuse(Problem::Field(error));
        }
        self
    }

    /// Adds a header field beside any with this name; otherwise as [`header`](Self::header).
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        if let Err(error) = self.headers.append(name, value) {
            self.refuse(Problem::Field(error));
        }
        self
    }

    /// As [`header`](Self::header), for values that come from outside.
    ///
    /// # Errors
    /// Why the field cannot be sent. The response is unchanged.
    pub fn try_header(
        &mut self,
        name: &str,
        value: impl AsRef<[u8]>,
    ) -> Result<&mut Self, FieldError> {
        self.headers.set(name, value)?;
        Ok(self)
    }

    /// The header fields.
    pub fn headers(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// `Content-Type`.
    pub fn content_type(&mut self, value: &str) -> &mut Self {
        self.header("Content-Type", value)
    }

    /// Adds a cookie, such as `a=b` or a [`SetCookie`](super::SetCookie).
    pub fn set_cookie(&mut self, cookie: impl fmt::Display) -> &mut Self {
        self.add_header("Set-Cookie", cookie.to_string())
    }

    /// The body.
    pub fn content(&mut self, content: impl Into<Vec<u8>>) -> &mut Self {
        self.content = content.into();
        self
    }

    /// Sets the length of a body that will be streamed, if it is known. The client then knows it too, and an HTTP/1.0
    /// client can tell whether it has all of it.
    pub fn content_length(&mut self, bytes: u64) -> &mut Self {
        self.length = Some(bytes);
        self
    }

    /// Closes the connection after this answer.
    pub fn close(&mut self) -> &mut Self {
        self.exchange.keep_alive = false;
        self
    }

    /// Whether [`compress`](Self::compress) compresses: the client accepts it, and the plugin has not encoded the body
    /// itself. Such an answer has other bytes than a plain one: its `ETag` is a weak one, and a part of it is not a part of
    /// the plain one.
    #[must_use]
    pub fn can_compress(&self) -> bool {
        self.coding.is_some() && !self.headers.contains("content-encoding")
    }

    /// Compresses the body with gzip or deflate, if the client accepts that and the plugin has not encoded it itself.
    /// Call it after setting the content, or before streaming. Do not compress secrets together with text that an
    /// attacker chooses, because the length reveals them.
    ///
    /// `Vary` names `Accept-Encoding` then, whether the client accepts it or not, and a strong `ETag` becomes a weak one
    /// where the body is compressed.
    pub fn compress(&mut self) -> &mut Self {
        self.vary("Accept-Encoding");
        let Some(coding) = self.coding.filter(|_| self.can_compress()) else { return self };
        let mut compressor = Compressor::new(coding);
        self.header("Content-Encoding", coding.as_str());
        self.compressed = true;
        if self.content.is_empty() {
            // The length of the compressed body is unknown.
            self.compressor = Some(Box::new(compressor));
            self.length = None;
        } else {
            let mut compressed = Vec::new();
            compressor.write(&self.content, &mut compressed);
            compressor.finish(&mut compressed);
            self.content = compressed;
        }
        self
    }

    /// Adds a member to `Vary`, beside those that the plugin has set.
    fn vary(&mut self, name: &str) {
        if !self.headers.has_member("vary", name) && !self.headers.has_member("vary", "*") {
            self.add_header("Vary", name);
        }
    }

    /// Whether the answer can still reach the client.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.slot.is_open()
    }

    /// Sends the answer.
    pub fn send_response(mut self) {
        let pipeline = self.slot.pipeline().clone();
        pipeline.cork(move || self.send());
    }

    /// Sends a redirect with status 302, or another redirect if one is set.
    pub fn send_redirect(mut self, location: &str) {
        if !is_redirect(self.status) {
            self.status = StatusCode::FOUND;
        }
        self.header("Location", location);
        self.send_response();
    }

    /// Sends the head; the body follows piece by piece, and begins with what [`content`](Self::content) has set.
    /// Without a [`content_length`](Self::content_length) it is sent in chunks; to an HTTP/1.0 client, it ends with the
    /// connection.
    pub fn send_headers(mut self) -> ResponseStream {
        self.check();
        let content = std::mem::take(&mut self.content);
        let writer = self.begin();
        let stream = self.stream(writer);
        if !content.is_empty() {
            // The first piece of a stream fails only with the connection.
            let _ = stream.chunk(content);
        }
        stream
    }

    /// Sends the head, then each of `pieces` at the speed at which the client reads. If they are shorter than
    /// [`content_length`](Self::content_length) says, the connection is closed.
    pub fn send_each<P: AsRef<[u8]>>(self, pieces: impl Iterator<Item = P> + 'static) {
        self.send_headers().send_each(pieces);
    }

    /// Sends the head with the length of a part of a file, then that part, which the host reads and sends itself: none of
    /// it enters the plugin. The path is one below a folder that `allow.read` names. If the file is not there any more, or
    /// has become shorter, the connection is closed.
    ///
    /// The answer is not compressed.
    pub fn send_file(mut self, path: &str, part: Range<u64>) {
        self.content_length(part.end.saturating_sub(part.start));
        self.compressor = None;
        self.send_headers().send_file(FileToSend { path: path.to_owned(), part, version: None });
    }

    /// As [`Response::send_file`], where the file is still the one that the head tells of; otherwise the connection is closed
    /// behind the head, and the client has nothing that it could take for the whole.
    pub fn send_file_version(mut self, path: &str, part: Range<u64>, version: FileVersion) {
        self.content_length(part.end.saturating_sub(part.start));
        self.compressor = None;
        let version = Some(version);
        self.send_headers().send_file(FileToSend { path: path.to_owned(), part, version });
    }

    /// Accepts a WebSocket instead of answering; `make` makes the handler of its messages. Header fields that were set
    /// are sent, for instance `Sec-WebSocket-Protocol`. A request that is not a valid handshake gets an error status.
    ///
    /// ```no_run
    /// # use sandloop::http::{HttpServer, Message, Request, Response, WebSocket, WebSocketHandler};
    /// struct Echo(WebSocket);
    ///
    /// impl WebSocketHandler for Echo {
    ///     fn message(&mut self, message: Message) {
    ///         let _ = self.0.send(message);
    ///     }
    /// }
    ///
    /// struct Server;
    ///
    /// impl HttpServer for Server {
    ///     fn process_http_request(&mut self, request: Request, response: Response) {
    ///         response.accept_websocket(&request, Default::default(), Echo);
    ///     }
    /// }
    /// ```
    pub fn accept_websocket<H: WebSocketHandler>(
        mut self,
        request: &Request,
        settings: WebSocketSettings,
        make: impl FnOnce(WebSocket) -> H + 'static,
    ) {
        let accepted = match handshake::accept(request.head()) {
            Ok(accepted) => accepted,
            Err(error) => {
                self.status = error.status();
                let headers = error.headers();
                self.take_headers(&headers);
                self.content(format!("{error}\n")).content_type("text/plain");
                return self.send_response();
            }
        };
        self.take_headers(&accepted);
        let deflate = settings.deflate.as_ref();
        let agreed = deflate.and_then(|wanted| accept_deflate(&request.headers, wanted));
        let agreed = agreed.map(|(answer, agreed)| {
            self.header("Sec-WebSocket-Extensions", answer);
            agreed
        });
        self.status = StatusCode::SWITCHING_PROTOCOLS;
        self.check();
        if self.status != StatusCode::SWITCHING_PROTOCOLS {
            return self.send_response();
        }
        self.begin();
        self.slot.upgrade(Box::new(move |transport| {
            Box::new(Driver::accepted(transport, settings, agreed, make))
        }));
    }

    fn take_headers(&mut self, headers: &Headers) {
        for (name, value) in headers.iter() {
            self.header(name, value);
        }
    }

    fn refuse(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
