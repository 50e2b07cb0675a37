//! Answers to requests.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    pub(super) headers: Vec<(HeaderName, String)>,
}

/// Why a request is refused: one variant for each reaction of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The path does not exist.
    NoRoute,
    /// The path allows these methods only.
    Method(String),
    /// The request names no host, or more than one.
    NoHost,
    /// The request names another host: it may come from a page of another site (DNS rebinding).
    WrongHost,
    /// It comes from a page of another site.
    WrongOrigin,
    /// It changes something, and the token is missing or wrong.
    Token,
    /// It changes something, and no token is configured.
    NoToken,
    /// The query string is invalid.
    Query(String),
    /// Its body is too large.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// No plugin has that name.
    UnknownPlugin(String),
    /// The new configuration cannot be served.
    BadConfig(String),
    /// The host is stopping.
    Stopping,
    /// A reactor does not answer.
    Stuck(usize),
    /// Making the answer failed.
    Failed,
}

const JSON: &str = "application/json";

impl Reply {
    /// An answer with this content type.
    pub(super) fn new(content_type: &'static str, body: impl Into<String>) -> Reply {
        let (status, headers) = (StatusCode::OK, Vec::new());
        Reply { status, content_type, body: body.into(), headers }
    }

    /// A line of text.
    pub(super) fn text(status: StatusCode, text: &str) -> Reply {
        Reply { status, ..Reply::new("text/plain; charset=utf-8", format!("{text}\n")) }
    }

    /// A value.
    pub(super) fn json(value: &serde_json::Value) -> Reply {
        Reply::new(JSON, format!("{value}\n"))
    }

    /// The HTTP response, with headers that forbid caching, framing and content sniffing.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let Reply { status, content_type, body, headers } = self;
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let fixed = [
            (CONTENT_TYPE, content_type),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        ];
        let map = response.headers_mut();
        for (name, value) in fixed {
            map.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                map.insert(name, value);
            }
        }
        response
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::NoRoute | Refusal::UnknownPlugin(_) => StatusCode::NOT_FOUND,
            Refusal::BadConfig(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Stopping | Refusal::Stuck(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::NoHost | Refusal::Query(_) => StatusCode::BAD_REQUEST,
            Refusal::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Refusal::WrongOrigin | Refusal::NoToken => StatusCode::FORBIDDEN,
            Refusal::Token => StatusCode::UNAUTHORIZED,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error code for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Refusal::NoRoute => "no-route",
            Refusal::Method(_) => "wrong-method",
            Refusal::NoHost => "no-host",
            Refusal::WrongHost => "wrong-host",
            Refusal::WrongOrigin => "wrong-origin",
            Refusal::Token => "wrong-token",
            Refusal::NoToken => "no-token",
            Refusal::Query(_) => "bad-query",
            Refusal::TooLarge => "too-large",
            Refusal::TooSlow => "too-slow",
            Refusal::UnknownPlugin(_) => "unknown-plugin",
            Refusal::BadConfig(_) => "bad-config",
            Refusal::Stopping => "stopping",
            Refusal::Stuck(_) => "stuck",
            Refusal::Failed => "failed",
        }
    }

    fn message(&self) -> String {
        match self {
            Refusal::NoRoute => "there is no such path: docs/admin.md has them all".to_owned(),
            Refusal::Method(allowed) => format!("this path takes {allowed}"),
            Refusal::NoHost => "the request names no host, or more than one".to_owned(),
            Refusal::WrongHost => {
                "the request is meant for another host; add its name to admin.hosts if it is this one"
                    .to_owned()
            }
            Refusal::WrongOrigin => "the request comes from a page of another site".to_owned(),
            Refusal::Token => "send the token of admin.token, as in Authorization: Bearer TOKEN".to_owned(),
            Refusal::NoToken => {
                "over TCP this needs a token: add admin.token, or use a Unix socket".to_owned()
            }
            Refusal::Query(what) | Refusal::BadConfig(what) => what.clone(),
            Refusal::UnknownPlugin(name) => format!("there is no plugin {name:?}"),
            Refusal::Stopping => "the host is stopping".to_owned(),
            Refusal::Stuck(reactor) => format!("the reactor {reactor} does not answer"),
            Refusal::TooSlow => "the body has not come within admin.request_deadline".to_owned(),
            Refusal::TooLarge => "the body is larger than admin.request".to_owned(),
            Refusal::Failed => "making the answer failed; the host's log says why".to_owned(),
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        let error = serde_json::json!({ "code": refusal.code(), "message": refusal.message() });
        let mut reply = Reply::json(&serde_json::json!({ "error": error }));
        reply.status = refusal.status();
        match refusal {
            Refusal::Method(allowed) => reply.headers.push((ALLOW, allowed)),
            Refusal::Token => reply.headers.push((WWW_AUTHENTICATE, "Bearer".to_owned())),
            _ => {}
        }
        reply
    }
}
