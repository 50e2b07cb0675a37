//! A server's side of reading: requests.

mod decoder;
mod error;
mod line;
mod parse;

use http::{Method, Version};

pub use self::decoder::{RequestDecoder, RequestEvent};
pub use self::error::RequestError;
use crate::{body::Length, cookies, headers::Headers, target::Target, writer::Exchange};

/// Everything of a request but its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// What is to be done.
    pub method: Method,
    /// What it is about.
    pub target: Target,
    /// The version that the client speaks.
    pub version: Version,
    /// The fields, as they came.
    pub headers: Headers,
    /// How long the body is.
    pub length: Length,
    /// Whether the connection may stay for another request.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// `Connection` has `upgrade`: see [`Headers::has_member`] of `Upgrade` for to what.
    pub wants_upgrade: bool,
}

impl RequestHead {
    /// The host that is asked, with the port if it is named: of the target if it has one, else of the field
    /// `Host`; empty if the client names none.
    #[must_use]
    pub fn host(&self) -> &str {
        self.target.authority().or_else(|| self.headers.get("host")).unwrap_or_default()
    }

    /// The cookies that the client brings, in its order.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        cookies::of_request(&self.headers)
    }

    /// What the answer has to know of the request.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        Exchange::answering(&self.method, self.version, self.keep_alive)
    }
}
