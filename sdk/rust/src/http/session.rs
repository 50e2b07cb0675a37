//! One connection of a server: decodes requests, and refuses malformed ones.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_http::{
    Headers, Length, Method, RequestDecoder, RequestError, RequestEvent, RequestHead, StatusCode,
    Version,
    body::BodyError,
    coding::Coding,
    websocket::handshake,
    writer::{Exchange, Outgoing, OutgoingResponse, write_response},
};

use super::{
    clock::with_date,
    pipeline::{AfterResponse, Pipeline, Slot, Throttle},
    request::{Request, RequestBody},
    response::Response,
    server::{HttpServer, Intake},
    settings::Settings,
    websocket::Upgraded,
};
use crate::{
    timers::{Timer, try_add_timer},
    transport::Transport,
    types::CloseReason,
};

/// One connection of a server.
pub(super) struct Session<S> {
    server: S,
    settings: Settings,
    transport: Rc<dyn Transport>,
    pipeline: Pipeline,
    decoder: RequestDecoder,
    /// The request whose body is being received.
    incoming: Option<Incoming>,
    /// Received bytes that cannot be decoded yet.
    left: Vec<u8>,
    /// A request was refused; what follows it is ignored.
    refused: bool,
    /// Requests that have begun.
    requests: u64,
    read_timeout: Option<ReadTimeout>,
    /// The last request asks for another protocol: what follows it is HTTP only if the answer refuses that.
    held: Option<Slot>,
    upgraded: Option<Box<dyn Upgraded>>,
    /// It is to come to its end within this time.
    draining: Option<Duration>,
    me: Weak<RefCell<Session<S>>>,
}

/// A request whose body is being received.
enum Incoming {
    Collected { head: RequestHead, slot: Slot, content: Vec<u8> },
    Streamed { slot: Slot, body: RequestBody },
}

/// The timeout of a head or a body that has begun.
struct ReadTimeout {
    timer: Timer,
    with_head: bool,
    /// The number of requests when it was started, which tells one request's timeout from the next one's.
    requests: u64,
}

impl ReadTimeout {
    fn is_with(&self, head: bool, requests: u64) -> bool {
        self.with_head == head && self.requests == requests
    }
}

/// The most memory that is reserved for a body before it comes.
const RESERVED: u64 = 64 * 1024;

/// How long a connection that is to come to its end waits for the first request.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// Handles new bytes, or continues with those that are left.
pub(super) fn pump<S: HttpServer>(session: &Rc<RefCell<Session<S>>>, data: &[u8]) {
    let pipeline = session.borrow().pipeline.clone();
    if !data.is_empty() {
        pipeline.begin_turn();
    }
    pipeline.cork(|| session.borrow_mut().receive(data));
}

impl<S: HttpServer> Session<S> {
    pub(crate) fn start(transport: Rc<dyn Transport>, server: S) -> Rc<RefCell<Session<S>>> {
        let settings = server.settings();
        let pipeline = Pipeline::new(transport.clone(), settings);
        Rc::new_cyclic(|me: &Weak<RefCell<Session<S>>>| {
            let woken = me.clone();
            pipeline.on_wake(move || {
                if let Some(session) = woken.upgrade() {
                    pump(&session, &[]);
                }
            });
            RefCell::new(Session {
                server,
                settings,
                transport,
                pipeline,
                decoder: RequestDecoder::new(settings.limits),
                incoming: None,
                left: Vec::new(),
                refused: false,
                requests: 0,
                read_timeout: None,
                held: None,
                upgraded: None,
                draining: None,
                me: me.clone(),
            })
        })
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub(crate) fn opened(&self) {
        self.transport.set_inactivity_timeout(self.settings.idle_timeout);
    }

    pub(crate) fn drained(&mut self) {
        if let Some(upgraded) = &mut self.upgraded {
            upgraded.drained();
        }
    }

    /// The connection is to come to its end. Requests that have begun are answered, and the last answer says that the connection
    /// closes; one between two requests closes at once, and one that has had none yet a moment later: it may be on its way.
    pub(crate) fn drain(&mut self, within: Duration) {
        self.draining = Some(within);
        if let Some(upgraded) = &mut self.upgraded {
            return upgraded.drain(within);
        }
        self.pipeline.drain();
        if !self.is_between_requests() {
            return;
        }
        if 0 < self.requests {
            return self.transport.close_after_writing();
        }
        let me = self.me.clone();
        let timer = try_add_timer(FIRST_REQUEST, move || {
            let Some(session) = me.upgrade() else { return };
            let session = session.borrow();
            if session.requests == 0 && session.is_between_requests() {
                session.transport.close_after_writing();
            }
        });
        if timer.is_err() {
            self.transport.close_after_writing();
        }
    }

    /// Whether nothing is to be answered, and nothing of the next request has come.
    fn is_between_requests(&self) -> bool {
        let has_begun = self.decoder.is_in_head() || self.incoming.is_some();
        !has_begun && self.left.is_empty() && self.pipeline.is_empty()
    }

    pub(crate) fn unbind(&mut self, reason: CloseReason) {
        self.stop_read_timeout();
        if let Some(mut upgraded) = self.upgraded.take() {
            upgraded.unbind(reason);
        }
        self.pipeline.close();
        if let Some(Incoming::Streamed { body, .. }) = self.incoming.take() {
            body.end(Err(RequestError::Body(BodyError::Truncated)));
        }
        self.server.unbind(reason);
    }

    fn receive(&mut self, data: &[u8]) {
        if let Some(upgraded) = &mut self.upgraded {
            if !data.is_empty() {
                upgraded.receive(data);
            }
            return;
        }
        if !self.takes_bytes() {
            return;
        }
        let mut kept = std::mem::take(&mut self.left);
        let mut input = if kept.is_empty() {
            data
        } else {
            kept.extend_from_slice(data);
            &kept
        };
        self.take_requests(&mut input);
        if let Some((make, transport)) = self.pipeline.take_upgrade() {
            self.stop_read_timeout();
            let upgraded = self.upgraded.insert(make(transport));
            upgraded.opened();
            if !input.is_empty() {
                upgraded.receive(input);
            }
            if let Some(within) = self.draining {
                upgraded.drain(within);
            }
            return;
        }
        if self.pipeline.is_upgrading() {
            self.pipeline.throttle(Throttle::Answer);
        }
        if self.takes_bytes() {
            // It is bounded by one piece: the peer is not read from meanwhile.
            self.left = input.to_vec();
            self.update_read_timeout();
        }
    }

    /// Decodes requests until the bytes are used up, or no more requests are taken.
    fn take_requests(&mut self, input: &mut &[u8]) {
        while self.takes_requests() {
            // A body that has begun continues even while answers wait, unless the plugin has paused it.
            if self.incoming.is_some() {
                if self.pipeline.is_paused() {
                    return;
                }
            } else if self.is_held() {
                return self.pipeline.throttle(Throttle::Answer);
            } else if let Some(obstacle) = self.pipeline.obstacle() {
                // Without a request in hand, not to read from who is behind is the host's business.
                if obstacle == Throttle::Answer || !input.is_empty() {
                    self.pipeline.throttle(obstacle);
                }
                return;
            }
            match self.decoder.decode(input) {
                Ok(None) => return,
                Ok(Some(RequestEvent::Head(head))) => self.begin(head),
                Ok(Some(RequestEvent::Data(data))) => match &mut self.incoming {
                    // The memory of the sandbox is a limit too.
                    Some(Incoming::Collected { content, .. }) => {
                        match content.try_reserve(data.len()) {
                            Ok(()) => content.extend_from_slice(data),
                            Err(_) => self.refuse(RequestError::Body(BodyError::TooLarge)),
                        }
                    }
                    Some(Incoming::Streamed { body, .. }) => body.deliver(data),
                    None => {}
                },
                Ok(Some(RequestEvent::End(trailers))) => self.complete(trailers),
                Err(error) => self.refuse(error),
            }
        }
    }

    /// Whether received bytes may still matter.
    fn takes_bytes(&self) -> bool {
        self.takes_requests() || self.pipeline.is_upgrading()
    }

    fn takes_requests(&self) -> bool {
        !self.refused && self.pipeline.takes_requests()
    }

    /// Whether the next bytes belong to a protocol that is not agreed on yet.
    fn is_held(&mut self) -> bool {
        self.held.take_if(|slot| !slot.is_open());
        self.held.is_some()
    }

    fn begin(&mut self, head: RequestHead) {
        self.requests += 1;
        let slot = self.pipeline.begin();
        if handshake::is_handshake(&head) {
            self.held = Some(slot.clone());
        }
        if head.method == Method::CONNECT {
            // Only proxies have tunnels.
            return self.refuse_with(&slot, StatusCode::NOT_IMPLEMENTED, "this server is no proxy");
        }
        let intake = self.server.take_body(&head);
        let (Intake::Collect(limit) | Intake::Stream(limit)) = intake;
        let has_body = !matches!(head.length, Length::None | Length::Known(0));
        let awaited = head.expects_continue && has_body;
        let begun = self.decoder.begin_body(limit);
        slot.set_body_pending(has_body);
        match intake {
            Intake::Collect(_) => {
                if awaited && begun.is_ok() {
                    slot.write_interim(CONTINUE);
                }
                let room = match head.length {
                    Length::Known(bytes) => bytes.min(RESERVED).min(limit),
                    _ => 0,
                };
                let content = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
                self.incoming = Some(Incoming::Collected { head, slot, content });
                if let Err(error) = begun {
                    self.refuse(error);
                }
            }
            Intake::Stream(_) => {
                let body = RequestBody::new(self.pipeline.clone());
                self.incoming = Some(Incoming::Streamed { slot: slot.clone(), body: body.clone() });
                if let Err(error) = begun {
                    return self.refuse(error);
                }
                let response = Self::response(&slot, &head);
                let request = Request::streamed(head, body, self.transport.clone());
                self.server.process_http_request(request, response);
                if awaited && slot.is_open() && !slot.is_begun() {
                    slot.write_interim(CONTINUE);
                }
            }
        }
    }

    fn complete(&mut self, trailers: Headers) {
        match self.incoming.take() {
            Some(Incoming::Collected { head, slot, content }) => {
                slot.set_body_pending(false);
                let response = Self::response(&slot, &head);
                let request = Request::whole(head, content, trailers, self.transport.clone());
                self.server.process_http_request(request, response);
            }
            Some(Incoming::Streamed { slot, body }) => {
                slot.set_body_pending(false);
                body.end(Ok(trailers));
            }
            None => {}
        }
    }

    fn response(slot: &Slot, head: &RequestHead) -> Response {
        Response::new(slot.clone(), head.exchange(), Coding::wanted(&head.headers))
    }

    /// Answers an invalid request, after the answers before it, and takes no more requests.
    fn refuse(&mut self, error: RequestError) {
        crate::debug!("connection {}: refused: {error}", self.transport.id());
        let (slot, body) = match self.incoming.take() {
            Some(Incoming::Collected { slot, .. }) => (slot, None),
            Some(Incoming::Streamed { slot, body }) => (slot, Some(body)),
            None => (self.pipeline.begin(), None),
        };
        match error.status() {
            Some(status) => self.refuse_with(&slot, status, &error.to_string()),
            None => self.transport.close(),
        }
        if let Some(body) = body {
            body.end(Err(error));
        }
    }

    fn refuse_with(&mut self, slot: &Slot, status: StatusCode, why: &str) {
        self.refused = true;
        self.left = Vec::new();
        self.stop_read_timeout();
        // An answer that the plugin has begun cannot be replaced: it is cut off.
        if !slot.is_begun() {
            let text = format!("{status}\n{why}\n");
            let mut headers = Headers::new();
            // It cannot fail: both are plain text.
            let _ = headers.append("Content-Type", "text/plain");
            let method = if self.decoder.is_head() { Method::HEAD } else { Method::GET };
            let mut exchange = Exchange::answering(&method, Version::HTTP_11, false);
            let body = Outgoing::Known(text.len() as u64);
            let wanted = self.settings.date;
            slot.write(|out| {
                let writer = with_date(wanted, |date| {
                    let response = OutgoingResponse { status, headers: &headers, body, date };
                    write_response(out, &mut exchange, &response)
                });
                // Neither fails: no field is reserved, and the text is as long as was said.
                let _ = writer.map(|mut writer| writer.write(text.as_bytes(), out));
            });
        }
        slot.finish(AfterResponse::Close);
    }

    /// Adapts the read timeout to the requests that are incomplete.
    fn update_read_timeout(&mut self) {
        let with_head = self.decoder.is_in_head();
        let has_begun = with_head || self.incoming.is_some();
        match &self.read_timeout {
            Some(read_timeout) if has_begun && read_timeout.is_with(with_head, self.requests) => {
                return;
            }
            Some(_) => self.stop_read_timeout(),
            None => {}
        }
        if has_begun {
            self.start_read_timeout(with_head, None);
        }
    }

    fn start_read_timeout(&mut self, with_head: bool, rest: Option<Duration>) {
        let Settings { head_timeout, body_timeout, .. } = self.settings;
        let time = rest.unwrap_or(if with_head { head_timeout } else { body_timeout });
        let me = self.me.clone();
        let timer = try_add_timer(time, move || {
            let Some(session) = me.upgrade() else { return };
            let pipeline = session.borrow().pipeline.clone();
            pipeline.cork(|| session.borrow_mut().read_timed_out());
        });
        match timer {
            Ok(timer) => {
                self.read_timeout = Some(ReadTimeout { timer, with_head, requests: self.requests });
            }
            Err(error) => {
                crate::error!("closing a connection, because it cannot be timed: {error}");
                self.transport.close();
            }
        }
    }

    /// A head has its timeout for all of it, a body for each piece.
    fn read_timed_out(&mut self) {
        let Some(ReadTimeout { with_head, .. }) = self.read_timeout.take() else { return };
        let rest = self.settings.body_timeout.saturating_sub(self.transport.idle_time());
        if self.pipeline.is_paused() {
            self.start_read_timeout(with_head, None);
        } else if !with_head && !rest.is_zero() {
            self.start_read_timeout(with_head, Some(rest));
        } else {
            self.refuse(RequestError::Timeout);
        }
    }

    fn stop_read_timeout(&mut self) {
        if let Some(read_timeout) = self.read_timeout.take() {
            read_timeout.timer.cancel();
        }
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
