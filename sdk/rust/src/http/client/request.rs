//! A request of a client, before it is sent.

use std::{fmt, rc::Rc, time::Duration};

use sandloop_http::{FieldError, Headers, Method, auth, form, uri::Uri};

use super::{
    error::HttpError,
    exchange::{Body, Callbacks, Exchange, Options, Planned},
    pool::Pool,
    transfer::{HttpResponse, HttpTransfer},
    upload::{HttpUpload, Upload},
};
use crate::{
    deferrable::{DefaultDeferrable, Deferrable},
    reactor::try_next_tick,
};

/// A request that is being built. Errors in it go to the errback, in the next tick.
///
/// ```no_run
/// use sandloop::{Deferrable, http::HttpClient};
///
/// let client = HttpClient::new();
/// client
///     .post("http://127.0.0.1:8080/form")
///     .query("page", "2")
///     .header("X-Word", "Wham-o")
///     .form([("name", "Bob"), ("word", "two words")])
///     .redirects(3)
///     .send()
///     .callback(|response| println!("{}", response.text()));
/// ```
#[must_use = "a request does nothing before `send`"]
pub struct HttpRequest {
    pool: Rc<Pool>,
    method: Method,
    uri: String,
    query: Vec<(String, String)>,
    headers: Headers,
    body: Body,
    options: Options,
    callbacks: Callbacks,
    problem: Option<HttpError>,
}

impl HttpRequest {
    pub(super) fn new(pool: Rc<Pool>, method: Method, uri: &str) -> HttpRequest {
        HttpRequest {
            pool,
            method,
            uri: uri.to_owned(),
            query: Vec::new(),
            headers: Headers::new(),
            body: Body::None,
            options: Options::default(),
            callbacks: Callbacks::default(),
            problem: None,
        }
    }

    /// Sets a header field, in place of any with this name. An empty `User-Agent` leaves it out.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let set = self.headers.set(name, value);
        self.note(set);
        self
    }

    /// Adds a header field beside any with this name.
    pub fn add_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let added = self.headers.append(name, value);
        self.note(added);
        self
    }

    /// Adds a pair to the query of the address.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// User and password; those of the address do as well.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        self.header("Authorization", auth::basic(user, password))
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Bytes(Rc::new(body.into()));
        self
    }

    /// A form as the body, with its `Content-Type` unless there is one.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let typed = self.headers.contains("content-type");
        let form = self.body(form::encode(pairs));
        if typed { form } else { form.header("Content-Type", "application/x-www-form-urlencoded") }
    }

    /// A body in pieces, taken no faster than the server reads: in chunks, or with `length` if it is known.
    pub fn body_each<P: AsRef<[u8]>>(
        mut self,
        length: Option<u64>,
        pieces: impl Iterator<Item = P> + 'static,
    ) -> Self {
        let upload = self.stream(length);
        upload.send_each(pieces);
        self
    }

    /// A body that the plugin sends when it has it, through what this returns beside the request.
    pub fn upload(mut self, length: Option<u64>) -> (Self, HttpUpload) {
        let upload = self.stream(length);
        (self, upload)
    }

    /// Asks the server whether it wants the body before sending it (`Expect: 100-continue`). One that does not
    /// know the question gets the body after a second.
    pub fn expect_continue(mut self) -> Self {
        self.options.expect_continue = true;
        self
    }

    /// The number of redirects to follow. Without this call it is 0: a redirect is a response too.
    ///
    /// To another host, port or scheme, the fields that prove who sends the request do not follow: `Authorization`,
    /// `Cookie`, `Proxy-Authorization`, and those with a word such as `token`, `api-key`, `secret`, `session` or
    /// `signature` in their names. Cookies from the client's jar go where they belong.
    pub fn redirects(mut self, count: u32) -> Self {
        self.options.redirects = count;
        self
    }

    /// Asks for a compressed response. One that comes compressed is decompressed in any case.
    pub fn compressed(self) -> Self {
        self.header("Accept-Encoding", "gzip, deflate")
    }

    /// Leaves a compressed response as it comes.
    pub fn raw(mut self) -> Self {
        self.options.decode = false;
        self
    }

    /// Closes the connection after the response.
    pub fn close(mut self) -> Self {
        self.options.keep_alive = false;
        self
    }

    /// The largest body to collect, in bytes: 1 MiB unless this is called. At it, or where the sandbox has
    /// no more memory: [`HttpError::TooLarge`].
    pub fn limit(mut self, bytes: usize) -> Self {
        self.options.limit = bytes;
        self
    }

    /// Gives up after this time, whatever has come until then; redirects are part of it.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.options.deadline = Some(after);
        self
    }

    /// Calls `action` when the head of the response is there; of a redirect that is followed it is not.
    pub fn on_headers(mut self, action: impl FnOnce(&HttpResponse) + 'static) -> Self {
        self.callbacks.headers = Some(Box::new(action));
        self
    }

    /// Calls `action` with each piece of the body, decompressed, instead of collecting it.
    pub fn on_data(mut self, action: impl FnMut(&[u8]) + 'static) -> Self {
        self.callbacks.data = Some(Box::new(action));
        self
    }

    /// Sends it.
    pub fn send(self) -> HttpTransfer {
        let outcome = DefaultDeferrable::new();
        let error = match self.into_exchange(outcome.clone()) {
            Ok(exchange) => {
                let transfer = HttpTransfer::new(outcome, &exchange);
                exchange.start();
                return transfer;
            }
            Err(error) => error,
        };
        // Not before the caller has had a chance to add its errback.
        let failing = outcome.clone();
        if try_next_tick(move || failing.fail(error)).is_err() {
            crate::error!("an HTTP request fails unheard, because there are too many ticks");
        }
        HttpTransfer::failing(outcome)
    }

    fn into_exchange(
        mut self,
        outcome: DefaultDeferrable<HttpResponse, HttpError>,
    ) -> Result<Rc<Exchange>, HttpError> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        let mut uri: Uri = self.uri.parse().map_err(HttpError::Uri)?;
        if !self.query.is_empty() {
            let own = uri.query.take().filter(|query| !query.is_empty());
            let pairs = form::encode(self.query.iter().map(|(name, value)| (name, value)));
            uri.query = Some(own.map_or(pairs.clone(), |own| format!("{own}&{pairs}")));
        }
        if let Some(user_info) = uri.user_info.take()
            && !self.headers.contains("authorization")
        {
            let (user, password) = user_info.split_once(':').unwrap_or((&user_info, ""));
            let plain = |text: &str| {
                let bytes = form::percent_decode(text).unwrap_or_else(|| text.into());
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let value = auth::basic(&plain(user), &plain(password));
            self.headers.set("Authorization", value).map_err(HttpError::Field)?;
        }
        let user_agent = &self.pool.settings.user_agent;
        if self.headers.get("user-agent") == Some("") {
            self.headers.remove("user-agent");
        } else if !user_agent.is_empty() && !self.headers.contains("user-agent") {
            self.headers.append("User-Agent", user_agent).map_err(HttpError::Field)?;
        }
        if self.options.expect_continue && !matches!(self.body, Body::None) {
            self.headers.set("Expect", "100-continue").map_err(HttpError::Field)?;
        }
        sandloop_http::writer::check_reserved(&self.headers).map_err(HttpError::Field)?;
        let request = Planned {
            method: self.method,
            uri,
            headers: self.headers,
            body: self.body,
            options: self.options,
            callbacks: self.callbacks,
        };
        Ok(Exchange::new(self.pool, request, outcome))
    }

    fn stream(&mut self, length: Option<u64>) -> HttpUpload {
        let upload = Upload::new();
        let handle = upload.handle();
        self.body = Body::Stream(upload, length);
        handle
    }

    fn note(&mut self, done: Result<(), FieldError>) {
        if let Err(error) = done {
            self.problem.get_or_insert(HttpError::Field(error));
        }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("uri", &without_user(&self.uri))
            .finish_non_exhaustive()
    }
}

/// An address as it may be shown: without user and password.
fn without_user(uri: &str) -> String {
    match uri.parse::<Uri>() {
        Ok(uri) => Uri { user_info: None, ..uri }.to_string(),
        Err(_) => "what is no URI".to_owned(),
    }
}
