//! One connection of a server: bytes become requests, and what is no request is refused.

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
    pipeline::{Fate, Pipeline, Place},
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
    /// The request whose body is coming.
    incoming: Option<Incoming>,
    /// What came and cannot be looked at yet.
    left: Vec<u8>,
    /// A request was refused; what follows it is nothing.
    refused: bool,
    /// Requests that have begun.
    requests: u64,
    patience: Option<Patience>,
    /// The last request asks for another protocol: what follows it is not HTTP, unless the answer says no.
    held: Option<Place>,
    upgraded: Option<Box<dyn Upgraded>>,
    me: Weak<RefCell<Session<S>>>,
}

/// A request whose body is coming.
enum Incoming {
    Collected { head: RequestHead, place: Place, content: Vec<u8> },
    Streamed { place: Place, body: RequestBody },
}

/// How long what has begun may take.
struct Patience {
    timer: Timer,
    with_head: bool,
    /// The requests before.
    requests: u64,
}

impl Patience {
    fn is_with(&self, head: bool, requests: u64) -> bool {
        self.with_head == head && self.requests == requests
    }
}

/// More is not set aside for a body before it comes.
const RESERVED: u64 = 64 * 1024;

/// Bytes have come, or the session can go on with those that are left.
pub(super) fn pump<S: HttpServer>(session: &Rc<RefCell<Session<S>>>, data: &[u8]) {
    let pipeline = session.borrow().pipeline.clone();
    pipeline.together(|| session.borrow_mut().receive(data));
}

impl<S: HttpServer> Session<S> {
    pub fn start(transport: Rc<dyn Transport>, server: S) -> Rc<RefCell<Session<S>>> {
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
                patience: None,
                held: None,
                upgraded: None,
                me: me.clone(),
            })
        })
    }

    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub fn opened(&self) {
        self.transport.set_inactivity_timeout(self.settings.idle_timeout);
    }

    pub fn drained(&mut self) {
        if let Some(upgraded) = &mut self.upgraded {
            upgraded.drained();
        }
    }

    pub fn unbind(&mut self, reason: CloseReason) {
        self.end_patience();
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
            self.end_patience();
            let upgraded = self.upgraded.insert(make(transport));
            upgraded.opened();
            if !input.is_empty() {
                upgraded.receive(input);
            }
            return;
        }
        if self.pipeline.is_upgrading() {
            self.pipeline.throttle();
        }
        if self.takes_bytes() {
            // Only what came in one piece with what must be done first: the peer is not read from meanwhile.
            self.left = input.to_vec();
            self.wait();
        }
    }

    /// Takes requests until there are no more bytes, or no more can be taken.
    fn take_requests(&mut self, input: &mut &[u8]) {
        while self.takes_requests() {
            // A body that is coming goes on whatever else waits, unless the plugin has paused it.
            if self.incoming.is_some() {
                if self.pipeline.is_paused() {
                    return;
                }
            } else if self.pipeline.is_full() || self.is_held() {
                return self.pipeline.throttle();
            }
            match self.decoder.decode(input) {
                Ok(None) => return,
                Ok(Some(RequestEvent::Head(head))) => self.begin(head),
                Ok(Some(RequestEvent::Data(data))) => match &mut self.incoming {
                    // A sandbox that has no more memory is a bound too.
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

    /// Whether what comes may mean something, now or later.
    fn takes_bytes(&self) -> bool {
        self.takes_requests() || self.pipeline.is_upgrading()
    }

    fn takes_requests(&self) -> bool {
        !self.refused && self.pipeline.takes_requests()
    }

    /// Whether the next bytes belong to a protocol that is not agreed on yet.
    fn is_held(&mut self) -> bool {
        self.held.take_if(|place| !place.is_open());
        self.held.is_some()
    }

    fn begin(&mut self, head: RequestHead) {
        self.requests += 1;
        let place = self.pipeline.begin();
        if handshake::is_handshake(&head) {
            self.held = Some(place.clone());
        }
        if head.method == Method::CONNECT {
            // A tunnel is a proxy's business.
            return self.refuse_with(
                &place,
                StatusCode::NOT_IMPLEMENTED,
                "this server is no proxy",
            );
        }
        let intake = self.server.take_body(&head);
        let (Intake::Collect(limit) | Intake::Stream(limit)) = intake;
        let has_body = !matches!(head.length, Length::None | Length::Known(0));
        let awaited = head.expects_continue && has_body;
        let begun = self.decoder.begin_body(limit);
        place.set_body_pending(has_body);
        match intake {
            Intake::Collect(_) => {
                if awaited && begun.is_ok() {
                    place.write_interim(CONTINUE);
                }
                let room = match head.length {
                    Length::Known(bytes) => bytes.min(RESERVED).min(limit),
                    _ => 0,
                };
                let content = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
                self.incoming = Some(Incoming::Collected { head, place, content });
                if let Err(error) = begun {
                    self.refuse(error);
                }
            }
            Intake::Stream(_) => {
                let body = RequestBody::new(self.pipeline.clone());
                self.incoming =
                    Some(Incoming::Streamed { place: place.clone(), body: body.clone() });
                if let Err(error) = begun {
                    return self.refuse(error);
                }
                let response = Self::response(&place, &head);
                let request = Request::streamed(head, body, self.transport.clone());
                self.server.process_http_request(request, response);
                if awaited && place.is_open() && !place.is_begun() {
                    place.write_interim(CONTINUE);
                }
            }
        }
    }

    fn complete(&mut self, trailers: Headers) {
        match self.incoming.take() {
            Some(Incoming::Collected { head, place, content }) => {
                place.set_body_pending(false);
                let response = Self::response(&place, &head);
                let request = Request::whole(head, content, trailers, self.transport.clone());
                self.server.process_http_request(request, response);
            }
            Some(Incoming::Streamed { place, body }) => {
                place.set_body_pending(false);
                body.end(Ok(trailers));
            }
            None => {}
        }
    }

    fn response(place: &Place, head: &RequestHead) -> Response {
        Response::new(place.clone(), head.exchange(), Coding::wanted(&head.headers))
    }

    /// Answers what is no request, in its turn, and takes no more.
    fn refuse(&mut self, error: RequestError) {
        crate::debug!("connection {}: refused: {error}", self.transport.id());
        let (place, body) = match self.incoming.take() {
            Some(Incoming::Collected { place, .. }) => (place, None),
            Some(Incoming::Streamed { place, body }) => (place, Some(body)),
            None => (self.pipeline.begin(), None),
        };
        match error.status() {
            Some(status) => self.refuse_with(&place, status, &error.to_string()),
            None => self.transport.close(),
        }
        if let Some(body) = body {
            body.end(Err(error));
        }
    }

    fn refuse_with(&mut self, place: &Place, status: StatusCode, why: &str) {
        self.refused = true;
        self.left = Vec::new();
        self.end_patience();
        place.set_body_pending(true);
        // An answer that the plugin has begun cannot be taken back: it is cut.
        if !place.is_begun() {
            let text = format!("{status}\n{why}\n");
            let mut headers = Headers::new();
            // The name and the value are plain.
            let _ = headers.append("Content-Type", "text/plain");
            let mut exchange = Exchange::answering(&Method::GET, Version::HTTP_11, false);
            let body = Outgoing::Known(text.len() as u64);
            let wanted = self.settings.date;
            place.write(|out| {
                // None of the fields is reserved.
                let _ = with_date(wanted, |date| {
                    let response = OutgoingResponse { status, headers: &headers, body, date };
                    write_response(out, &mut exchange, &response)
                });
                out.extend_from_slice(text.as_bytes());
            });
        }
        place.finish(Fate::Close);
    }

    /// Has a timer for what has begun and is not complete.
    fn wait(&mut self) {
        let with_head = self.decoder.is_in_head();
        let has_begun = with_head || self.incoming.is_some();
        match &self.patience {
            Some(patience) if has_begun && patience.is_with(with_head, self.requests) => return,
            Some(_) => self.end_patience(),
            None => {}
        }
        if has_begun {
            self.begin_patience(with_head, None);
        }
    }

    fn begin_patience(&mut self, with_head: bool, rest: Option<Duration>) {
        let Settings { head_timeout, body_timeout, .. } = self.settings;
        let time = rest.unwrap_or(if with_head { head_timeout } else { body_timeout });
        let me = self.me.clone();
        let timer = try_add_timer(time, move || {
            let Some(session) = me.upgrade() else { return };
            let pipeline = session.borrow().pipeline.clone();
            pipeline.together(|| session.borrow_mut().lose_patience());
        });
        match timer {
            Ok(timer) => {
                self.patience = Some(Patience { timer, with_head, requests: self.requests });
            }
            Err(error) => {
                crate::error!("closing a connection, because it cannot be timed: {error}");
                self.transport.close();
            }
        }
    }

    /// The time is over. A head has so long in all, a body for each piece of it.
    fn lose_patience(&mut self) {
        let Some(Patience { with_head, .. }) = self.patience.take() else { return };
        let rest = self.settings.body_timeout.saturating_sub(self.transport.idle_time());
        if self.pipeline.is_paused() {
            self.begin_patience(with_head, None);
        } else if !with_head && !rest.is_zero() {
            self.begin_patience(with_head, Some(rest));
        } else {
            self.refuse(RequestError::Timeout);
        }
    }

    fn end_patience(&mut self) {
        if let Some(patience) = self.patience.take() {
            patience.timer.cancel();
        }
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
