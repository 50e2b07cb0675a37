//! The two versions of HTTP/1.

use std::fmt;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// One request a connection unless both sides say `keep-alive`; no chunks.
    Http10,
    /// Connections stay; chunks, 1xx, `Host`.
    #[default]
    Http11,
}

impl Version {
    /// As it is written: `HTTP/1.1`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }

    /// From the digit after `HTTP/1.`.
    pub(crate) fn from_minor(minor: u8) -> Version {
        if minor == 0 { Version::Http10 } else { Version::Http11 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
