//! A client: requests that become responses, over connections that are kept.

mod dialer;
mod error;
mod exchange;
mod link;
mod multi;
mod pool;
mod request;
mod secrets;
mod settings;
#[cfg(test)]
mod tests;
mod transfer;
mod upload;

use std::rc::Rc;

use sandloop_http::Method;

pub use self::error::HttpError;
pub use self::multi::HttpMulti;
pub use self::request::HttpRequest;
pub use self::settings::{ClientSettings, Proxy};
pub use self::transfer::{HttpResponse, HttpTransfer};
pub use self::upload::HttpUpload;
use self::{dialer::SocketDialer, pool::Pool};

/// A client of HTTP servers: EventMachine's `HttpClient`, and what users of em-http-request expect. Clones are the
/// same client, with the same connections and cookies.
///
/// The operator must allow the servers: `allow.connect = ["www.postrank.com:80"]`.
///
/// ```no_run
/// use sandloop::{Deferrable, http::HttpClient};
///
/// let client = HttpClient::new();
/// client
///     .request("www.postrank.com", "/")
///     .callback(|response| println!("Succeeded: {}", response.status.as_u16()))
///     .errback(|error| println!("ERROR: {error}"));
/// ```
#[derive(Clone, Debug)]
pub struct HttpClient(Rc<Pool>);

impl HttpClient {
    /// One with the usual settings.
    #[must_use]
    pub fn new() -> HttpClient {
        HttpClient::with(ClientSettings::default())
    }

    /// A client with these settings.
    #[must_use]
    pub fn with(settings: ClientSettings) -> HttpClient {
        HttpClient(Pool::new(settings, Box::new(SocketDialer)))
    }

    /// Gets `path` from `host`, as the deck does: `request("www.postrank.com", "/")`. `host` may have a port.
    pub fn request(&self, host: &str, path: &str) -> HttpTransfer {
        let slash = if path.starts_with('/') { "" } else { "/" };
        self.get(&format!("http://{host}{slash}{path}")).send()
    }

    /// A request with `GET`, to be [sent](HttpRequest::send).
    pub fn get(&self, uri: &str) -> HttpRequest {
        self.method(Method::GET, uri)
    }

    /// A request with `HEAD`.
    pub fn head(&self, uri: &str) -> HttpRequest {
        self.method(Method::HEAD, uri)
    }

    /// A request with `POST`.
    pub fn post(&self, uri: &str) -> HttpRequest {
        self.method(Method::POST, uri)
    }

    /// A request with `PUT`.
    pub fn put(&self, uri: &str) -> HttpRequest {
        self.method(Method::PUT, uri)
    }

    /// A request with `PATCH`.
    pub fn patch(&self, uri: &str) -> HttpRequest {
        self.method(Method::PATCH, uri)
    }

    /// A request with `DELETE`.
    pub fn delete(&self, uri: &str) -> HttpRequest {
        self.method(Method::DELETE, uri)
    }

    /// A request with `OPTIONS`.
    pub fn options(&self, uri: &str) -> HttpRequest {
        self.method(Method::OPTIONS, uri)
    }

    /// A request with any method.
    pub fn method(&self, method: Method, uri: &str) -> HttpRequest {
        HttpRequest::new(self.0.clone(), method, uri)
    }

    /// Closes the connections that have nothing to do, and forgets the cookies.
    pub fn reset(&self) {
        self.0.reset();
    }
}

impl Default for HttpClient {
    fn default() -> HttpClient {
        HttpClient::new()
    }
}
