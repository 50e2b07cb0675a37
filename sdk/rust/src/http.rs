//! HTTP/1.1: a server and a client, as `EM::HttpServer` and `HttpClient` are used, and as RFC 9110 and 9112 have it.
//!
//! Feature `http` of the crate. What a plugin does not use is not in its component.
//!
//! ```no_run
//! use sandloop::http::{HttpServer, Request, Response};
//!
//! struct Hello;
//!
//! impl HttpServer for Hello {
//!     fn process_http_request(&mut self, request: Request, mut response: Response) {
//!         response.content_type("text/html");
//!         response.content("<center><h1>Wham-o</h1></center>");
//!         response.send_response();
//!     }
//! }
//!
//! sandloop::plugin! { handlers: [Hello] }
//! ```
//!
//! # Layout
//!
//! - [`HttpServer`]: what answers the requests of a connection; [`Settings`]: its limits and timeouts.
//! - [`Request`], [`RequestBody`]: what came.
//! - [`Response`], [`ResponseStream`]: the answer, at once, later, or piece by piece.
//! - [`HttpClient`]: requests of the plugin's own, [`HttpTransfer`]: a deferrable for each, [`HttpResponse`].
//! - [`WebSocketHandler`], [`WebSocket`]: messages instead of answers, and [`WebSocket::connect`] for those of the plugin's own.
//! - [`Method`], [`StatusCode`], [`Version`]: the vocabulary of the crate `http`; [`Headers`] keep order and case.
//! - [`codec`]: headers, cookies, ranges, conditions, dates: the values, which know nothing of connections.
//!
//! Below them, `session` turns bytes into requests, `pipeline` keeps the answers in order, `closing` ends a connection after
//! the last of them, and the crate's `transport` is all that any of them knows of a socket.

mod client;
mod clock;
mod closing;
mod pipeline;
mod request;
mod response;
mod server;
mod session;
mod settings;
mod slices;
mod stream;
#[cfg(test)]
mod tests;
mod websocket;

#[doc(no_inline)]
pub use sandloop_http as codec;
#[doc(no_inline)]
pub use sandloop_http::{
    FieldError, Headers, Limits, Method, RequestError, RequestHead, StatusCode, Version,
    cookies::{SameSite, SetCookie},
};

pub use self::client::{
    ClientSettings, HttpClient, HttpError, HttpMulti, HttpRequest, HttpResponse, HttpTransfer,
    HttpUpload, Proxy,
};
pub use self::request::{Request, RequestBody};
pub use self::response::Response;
pub use self::server::{HttpServer, Intake};
pub use self::settings::Settings;
pub use self::stream::{ResponseStream, StreamError};
pub use self::websocket::{
    ConnectError, Deflate, Message, SendError, WebSocket, WebSocketError, WebSocketHandler,
    WebSocketSettings,
};
