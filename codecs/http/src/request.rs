//! Reads requests, for servers.

mod decoder;
mod error;
mod line;
mod parse;

use http::{Method, Version};

pub use self::decoder::{RequestDecoder, RequestEvent};
pub use self::error::RequestError;
use crate::{body::Length, cookies, headers::Headers, target::Target, writer::Exchange};

/// A request without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target: what the method is applied to.
    pub target: Target,
    /// The client's version.
    pub version: Version,
    /// The header fields in their order.
    pub headers: Headers,
    /// The length of the body.
    pub length: Length,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// `Connection` lists `upgrade`; the field `Upgrade` lists the protocols, see [`Headers::has_member`].
    pub wants_upgrade: bool,
}

impl RequestHead {
    /// The host, with the port if one is given: of the target if it has one, else of the field `Host`, else empty.
    #[must_use]
    pub fn host(&self) -> &str {
        self.target.authority().or_else(|| self.headers.get("host")).unwrap_or_default()
    }

    /// The client's cookies in their order.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        cookies::of_request(&self.headers)
    }

    /// The properties of this request that the encoder of the response needs.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        Exchange::answering(&self.method, self.version, self.keep_alive)
    }
}
