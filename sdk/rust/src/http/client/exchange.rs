//! One request until its response is complete: redirects, decompression, limits.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    time::{Duration, SystemTime},
};

use sandloop_http::{
    FieldError, Headers, Method, ResponseHead,
    coding::{Bounds, Coding, Decompressor},
    cookies::Jar,
    status::is_redirect,
    uri::Uri,
    writer::{BodyWriter, Outgoing, OutgoingRequest, write_request},
};

use super::{
    error::HttpError,
    link::Link,
    pool::{Origin, Pool},
    secrets::leave_secrets,
    transfer::HttpResponse,
    upload::Upload,
};
use crate::{
    deferrable::{DefaultDeferrable, Deferrable},
    reactor::try_next_tick,
    timers::{Timer, try_add_timer},
};

/// The options of a request.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub redirects: u32,
    pub limit: usize,
    pub decode: bool,
    pub keep_alive: bool,
    pub expect_continue: bool,
    pub deadline: Option<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            redirects: 0,
            limit: 1 << 20,
            decode: true,
            keep_alive: true,
            expect_continue: false,
            deadline: None,
        }
    }
}

/// The plugin's callbacks for a request.
#[derive(Default)]
pub(super) struct Callbacks {
    pub headers: Option<OnHeaders>,
    pub data: Option<OnData>,
}

type OnHeaders = Box<dyn FnOnce(&HttpResponse)>;
type OnData = Box<dyn FnMut(&[u8])>;

/// A request's body.
#[derive(Clone)]
pub(super) enum Body {
    None,
    /// Can be sent repeatedly.
    Bytes(Rc<Vec<u8>>),
    /// Can be sent once. With its length if it is known.
    Stream(Rc<Upload>, Option<u64>),
}

/// A complete request, ready to be sent.
pub(super) struct Planned {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Body,
    pub options: Options,
    pub callbacks: Callbacks,
}

/// One request until its response is complete.
pub(super) struct Exchange {
    pool: Rc<Pool>,
    options: Options,
    outcome: DefaultDeferrable<HttpResponse, HttpError>,
    callbacks: RefCell<Callbacks>,
    state: RefCell<State>,
    me: Weak<Exchange>,
}

struct State {
    method: Method,
    uri: Uri,
    headers: Headers,
    body: Body,
    /// Cookies that redirects have set.
    jar: Jar,
    redirects: u32,
    /// It was sent before, over a connection that was already closed.
    tried: bool,
    link: Weak<Link>,
    response: Option<HttpResponse>,
    decompressor: Option<Decompressor>,
    /// The URI that a redirect leads to, while the redirect's body is skipped.
    next: Option<Uri>,
    skipped: usize,
    deadline: Option<Timer>,
    /// The plugin wants the body to wait.
    paused: bool,
    over: bool,
}

/// The connection is closed instead of skipping a redirect's body that is longer.
const SKIPPED_MAX: usize = 64 * 1024;

impl Exchange {
    pub(crate) fn new(
        pool: Rc<Pool>,
        request: Planned,
        outcome: DefaultDeferrable<HttpResponse, HttpError>,
    ) -> Rc<Exchange> {
        let Planned { method, uri, headers, body, options, callbacks } = request;
        let state = State {
            method,
            uri,
            headers,
            body,
            jar: Jar::new(),
            redirects: 0,
            tried: false,
            link: Weak::new(),
            response: None,
            decompressor: None,
            next: None,
            skipped: 0,
            deadline: None,
            paused: false,
            over: false,
        };
        let (callbacks, state) = (RefCell::new(callbacks), RefCell::new(state));
        let exchange = Rc::new_cyclic(|me| {
            let me = me.clone();
            Exchange { pool, options, outcome, callbacks, state, me }
        });
        if let Body::Stream(upload, _) = &exchange.state.borrow().body {
            upload.belongs_to(&exchange);
        }
        exchange
    }

    /// Starts it. A failure comes in the next tick, so that the caller can add an errback first.
    pub(crate) fn start(self: &Rc<Self>) {
        if let Some(after) = self.options.deadline {
            let me = Rc::downgrade(self);
            let timer = try_add_timer(after, move || {
                if let Some(me) = me.upgrade() {
                    me.abort(HttpError::Timeout);
                }
            });
            // Without a timer there is still the inactivity timeout.
            self.state.borrow_mut().deadline = timer.ok();
        }
        if let Err(error) = self.pool.submit(self) {
            let me = self.clone();
            if try_next_tick(move || me.fail(error)).is_err() {
                crate::error!("an HTTP request fails unheard, because there are too many ticks");
            }
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.pool.origin(&self.state.borrow().uri)
    }

    pub(crate) fn method(&self) -> Method {
        self.state.borrow().method.clone()
    }

    pub(crate) fn keeps_alive(&self) -> bool {
        self.options.keep_alive
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.options.expect_continue && !matches!(self.state.borrow().body, Body::None)
    }

    /// Whether the request may be sent again if there was no response.
    pub(crate) fn is_repeatable(&self) -> bool {
        let state = self.state.borrow();
        state.method.is_idempotent() && !matches!(state.body, Body::Stream(..))
    }

    pub(crate) fn body(&self) -> Body {
        self.state.borrow().body.clone()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.borrow().over
    }

    /// Writes the head of the request for this link.
    pub(crate) fn write_head(
        &self,
        link: &Rc<Link>,
        out: &mut Vec<u8>,
    ) -> Result<BodyWriter, FieldError> {
        let mut state = self.state.borrow_mut();
        state.link = Rc::downgrade(link);
        let State { method, uri, headers, body, jar, .. } = &*state;
        let mut headers = headers.clone();
        if !headers.contains("cookie") {
            let hops = jar.header_bytes(uri.into(), SystemTime::now());
            let cookies: Vec<_> = [self.pool.cookies(uri), hops].into_iter().flatten().collect();
            if !cookies.is_empty() {
                headers.append("Cookie", cookies.join(&b"; "[..]))?;
            }
        }
        let proxy = self.pool.settings.proxy.as_ref().filter(|_| link.origin.tunnel.is_none());
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.as_ref()) {
            headers.set("Proxy-Authorization", authorization)?;
        }
        let target = if proxy.is_some() { uri.absolute_target() } else { uri.target() };
        let body = match body {
            Body::None => None,
            Body::Bytes(bytes) => Some(Outgoing::Known(bytes.len() as u64)),
            Body::Stream(_, length) => Some(length.map_or(Outgoing::Unknown, Outgoing::Known)),
        };
        let request = OutgoingRequest {
            method,
            target: &target,
            host: &uri.authority(),
            headers: &headers,
            body,
            keep_alive: self.options.keep_alive,
        };
        write_request(out, &request)
    }

    /// Handles the head of the response.
    pub(crate) fn head(&self, head: ResponseHead) {
        {
            let state = &mut *self.state.borrow_mut();
            for field in head.headers.get_all("set-cookie") {
                if self.pool.settings.cookies {
                    self.pool.store_cookie(field, &state.uri);
                } else {
                    state.jar.store(field, (&state.uri).into(), SystemTime::now());
                }
            }
        }
        match self.redirect(&head) {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => return self.abort(error),
        }
        let callback = {
            let state = &mut *self.state.borrow_mut();
            if self.options.decode && state.method != Method::HEAD {
                let coding = Coding::of(&head.headers);
                let size = if self.is_streamed() { u64::MAX } else { self.options.limit as u64 };
                let bounds = Bounds { size, ..Bounds::default() };
                state.decompressor = coding.map(|coding| Decompressor::new(coding, bounds));
            }
            let uri = state.uri.to_string();
            state.response = Some(HttpResponse::begin(head, uri, state.redirects));
            self.callbacks.borrow_mut().headers.take()
        };
        if let Some(callback) = callback {
            let response = self.state.borrow().response.clone();
            if let Some(response) = response {
                callback(&response);
            }
        }
    }

    /// Whether the response is a redirect that is followed.
    fn redirect(&self, head: &ResponseHead) -> Result<bool, HttpError> {
        let state = &mut *self.state.borrow_mut();
        let location = head.headers.get("location");
        let (true, Some(location)) = (is_redirect(head.status), location) else {
            return Ok(false);
        };
        if self.options.redirects == 0 {
            return Ok(false);
        }
        if self.options.redirects == state.redirects {
            return Err(HttpError::Redirects);
        }
        let mut next = state.uri.join(location).map_err(HttpError::Location)?;
        // A user and a password in it are the server's idea: they are neither sent nor shown.
        next.user_info = None;
        let code = head.status.as_u16();
        let becomes_get = match code {
            303 => state.method != Method::HEAD,
            // As every browser does, and RFC 9110 allows.
            301 | 302 => state.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            state.method = Method::GET;
            state.body = Body::None;
            for name in ["content-type", "content-encoding", "content-language", "expect"] {
                state.headers.remove(name);
            }
        } else if matches!(state.body, Body::Stream(..)) {
            return Err(HttpError::Replay);
        }
        if !next.is_same_origin(&state.uri) {
            let goes_to_proxy =
                self.pool.settings.proxy.is_some() && self.pool.origin(&next).tunnel.is_none();
            leave_secrets(&mut state.headers, goes_to_proxy);
        }
        state.next = Some(next);
        Ok(true)
    }

    /// Handles a piece of the response's body.
    pub(crate) fn data(&self, data: &[u8]) {
        {
            let mut state = self.state.borrow_mut();
            if state.next.is_some() {
                state.skipped += data.len();
                if SKIPPED_MAX < state.skipped {
                    drop(state);
                    self.leave_link();
                    self.follow();
                }
                return;
            }
        }
        let decompressor = self.state.borrow_mut().decompressor.take();
        let Some(mut decompressor) = decompressor else { return self.deliver(data) };
        let decoded = decompressor.write(data, |piece| self.deliver(piece));
        match decoded {
            Ok(()) => self.state.borrow_mut().decompressor = Some(decompressor),
            Err(error) => self.abort(self.coding_error(error)),
        }
    }

    /// Handles the end of the response.
    pub(crate) fn end(&self, trailers: Headers) {
        if self.state.borrow().next.is_some() {
            return self.follow();
        }
        let decompressor = self.state.borrow_mut().decompressor.take();
        if let Some(decompressor) = decompressor
            && let Err(error) = decompressor.finish(|piece| self.deliver(piece))
        {
            return self.abort(self.coding_error(error));
        }
        let response = self.state.borrow_mut().response.take();
        if let Some(mut response) = response.filter(|_| !self.is_over()) {
            response.trailers = trailers;
            self.finish();
            self.outcome.succeed(response);
        }
    }

    /// Fails the request.
    pub(crate) fn fail(&self, error: HttpError) {
        if !self.is_over() {
            self.finish();
            self.outcome.fail(error);
        }
    }

    /// Fails the request and gives up its connection.
    pub(crate) fn abort(&self, error: HttpError) {
        if self.is_over() {
            return;
        }
        self.leave_link();
        self.fail(error);
    }

    /// Sends it again after its connection ended without a response. False if that is not possible.
    pub(crate) fn retry(self: &Rc<Self>) -> bool {
        self.is_repeatable() && self.send_once_more()
    }

    /// Sends it over another connection, unless that was done before. False if it was.
    pub(crate) fn send_once_more(self: &Rc<Self>) -> bool {
        !std::mem::replace(&mut self.state.borrow_mut().tried, true) && self.send_elsewhere()
    }

    /// Sends it over another connection: it was not sent over the one that it waited for. True.
    pub(crate) fn send_elsewhere(self: &Rc<Self>) -> bool {
        if !self.is_over()
            && let Err(error) = self.pool.resubmit(self)
        {
            self.fail(error);
        }
        true
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.state.borrow_mut().paused = paused;
        let link = self.state.borrow().link.upgrade();
        if let Some(link) = link {
            link.settle_pause();
        }
    }

    /// Whether a body comes that is to wait. What comes before it, an answer of a proxy, a redirect, a head, does not wait.
    pub(crate) fn holds_body(&self) -> bool {
        let state = self.state.borrow();
        state.paused && state.response.is_some() && state.next.is_none()
    }

    fn is_streamed(&self) -> bool {
        self.callbacks.borrow().data.is_some()
    }

    /// Passes on a piece of the decoded body.
    fn deliver(&self, data: &[u8]) {
        if self.is_over() || data.is_empty() {
            return;
        }
        let callback = self.callbacks.borrow_mut().data.take();
        if let Some(mut callback) = callback {
            callback(data);
            self.callbacks.borrow_mut().data.get_or_insert(callback);
            return;
        }
        let too_large = {
            let mut state = self.state.borrow_mut();
            let Some(response) = &mut state.response else { return };
            // The memory of the sandbox is a limit too.
            let too_large = self.options.limit - response.content.len() < data.len()
                || response.content.try_reserve(data.len()).is_err();
            if !too_large {
                response.content.extend_from_slice(data);
            }
            too_large
        };
        if too_large {
            self.abort(HttpError::TooLarge);
        }
    }

    fn coding_error(&self, error: sandloop_http::coding::CodingError) -> HttpError {
        use sandloop_http::coding::CodingError;
        if error == CodingError::TooLarge && !self.is_streamed() {
            HttpError::TooLarge
        } else {
            HttpError::Coding(error)
        }
    }

    /// Follows a redirect.
    fn follow(&self) {
        {
            let state = &mut *self.state.borrow_mut();
            let Some(next) = state.next.take() else { return };
            state.uri = next;
            state.redirects += 1;
            (state.skipped, state.tried) = (0, false);
            state.link = Weak::new();
        }
        if let Some(me) = self.me.upgrade()
            && let Err(error) = self.pool.submit(&me)
        {
            self.fail(error);
        }
    }

    fn leave_link(&self) {
        let link = std::mem::take(&mut self.state.borrow_mut().link).upgrade();
        let Some(me) = self.me.upgrade() else { return };
        self.pool.withdraw(&me);
        if let Some(link) = link {
            link.give_up(&me);
        }
    }

    fn finish(&self) {
        let (timer, body) = {
            let mut state = self.state.borrow_mut();
            state.over = true;
            (state.deadline.take(), std::mem::replace(&mut state.body, Body::None))
        };
        if let Some(timer) = timer {
            timer.cancel();
        }
        if let Body::Stream(upload, _) = body {
            upload.close();
        }
        let callbacks = self.callbacks.take();
        drop(callbacks);
    }
}
