//! `http` and `https` URIs for clients: from a program, or from `Location`.

use std::{fmt, str::FromStr};

use http::Method;

use crate::{
    form::push_encoded,
    target::{Target, split_port},
};

/// An absolute URI in normal form: without dot segments and fragment, the host in lower case,
/// percent-encoded where necessary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// `https` rather than `http`.
    pub is_tls: bool,
    /// `user:password` before the host, still encoded.
    pub user_info: Option<String>,
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port, if it is given.
    pub port: Option<u16>,
    /// The path; begins with `/`.
    pub path: String,
    /// The query without its question mark.
    pub query: Option<String>,
}

/// Why a text is no URI for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriError {
    /// Neither `http:` nor `https:`.
    Scheme,
    /// No host, or one with characters that hosts do not have.
    Host,
    /// Longer than 16 KiB.
    TooLong,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UriError::Scheme => "the address begins with neither http:// nor https://",
            UriError::Host => "the address has no host, or one that is no name and no IP address",
            UriError::TooLong => "the address is longer than 16 KiB",
        })
    }
}

impl std::error::Error for UriError {}

const BYTES_MAX: usize = 16 * 1024;

impl Uri {
    /// From a host, a port and a path: `("example.com", 80, "/a?b")`. The path may lack its slash.
    ///
    /// # Errors
    /// `Host`, `TooLong`.
    pub fn from_parts(
        host: &str,
        port: Option<u16>,
        path_and_query: &str,
    ) -> Result<Uri, UriError> {
        let bare = host.contains(':') && !host.starts_with('[');
        let host = if bare { format!("[{host}]") } else { host.to_owned() };
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let slash = if path_and_query.starts_with(['/', '?']) { "" } else { "/" };
        if host.contains(['/', '?', '#', '@']) {
            return Err(UriError::Host);
        }
        format!("http://{host}{port}{slash}{path_and_query}").parse()
    }

    /// The given port, or the default port of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_tls { 443 } else { 80 })
    }

    /// The value of `Host`: the host, and the port if it is given.
    #[must_use]
    pub fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// The host without the brackets of an IPv6 address, as `connect` takes it.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        let inner = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(&self.host)
    }

    /// Whether both name the same server: scheme, host and port.
    #[must_use]
    pub fn is_same_origin(&self, other: &Uri) -> bool {
        self.is_tls == other.is_tls && self.host == other.host && self.port() == other.port()
    }

    /// Path and query.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        let query = self.query.as_deref().map_or(String::new(), |query| format!("?{query}"));
        self.path.clone() + &query
    }

    /// The target of a request to the server itself.
    #[must_use]
    pub fn target(&self) -> Target {
        plain_target(&self.path_and_query())
    }

    /// The target of a request to a proxy.
    #[must_use]
    pub fn absolute_target(&self) -> Target {
        let bare = Uri { user_info: None, ..self.clone() };
        plain_target(&bare.to_string())
    }

    /// The target of a `CONNECT`: `host:port`.
    #[must_use]
    pub fn tunnel_target(&self) -> Target {
        let text = format!("{}:{}", self.host, self.port());
        Target::parse(&Method::CONNECT, &text).unwrap_or_else(|| plain_target("/"))
    }

    /// Resolves a reference relative to this URI, such as a `Location` (RFC 3986, section 5.2).
    ///
    /// # Errors
    /// As parsing.
    pub fn join(&self, reference: &str) -> Result<Uri, UriError> {
        if BYTES_MAX < reference.len() {
            return Err(UriError::TooLong);
        }
        let reference = reference.trim();
        if has_scheme(reference) {
            return reference.parse();
        }
        if reference.starts_with("//") {
            let scheme = if self.is_tls { "https:" } else { "http:" };
            return format!("{scheme}{reference}").parse();
        }
        let reference = without_fragment(reference);
        let (path, query) = split_query(reference);
        let mut joined = Uri { user_info: None, ..self.clone() };
        if path.is_empty() {
            joined.query = query.map(encoded).or(joined.query);
            return Ok(joined);
        }
        let folder = || &self.path[..=self.path.rfind('/').unwrap_or_default()];
        let path =
            if path.starts_with('/') { path.to_owned() } else { format!("{}{path}", folder()) };
        joined.path = without_dots(&encoded(&path));
        joined.query = query.map(encoded);
        Ok(joined)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Uri, UriError> {
        if BYTES_MAX < text.len() {
            return Err(UriError::TooLong);
        }
        let (scheme, rest) = text.trim().split_once("://").ok_or(UriError::Scheme)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(UriError::Scheme),
        };
        let rest = without_fragment(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user_info, authority) = match authority.rsplit_once('@') {
            Some((user_info, authority)) => (Some(encoded(user_info)), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority).ok_or(UriError::Host)?;
        if host.is_empty() {
            return Err(UriError::Host);
        }
        let (path, query) = split_query(tail);
        let path = if path.is_empty() { "/" } else { path };
        Ok(Uri {
            is_tls,
            user_info,
            host: host.to_ascii_lowercase(),
            port,
            path: without_dots(&encoded(path)),
            query: query.map(encoded),
        })
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_tls { "https://" } else { "http://" })?;
        if let Some(user_info) = &self.user_info {
            write!(f, "{user_info}@")?;
        }
        write!(f, "{}{}", self.authority(), self.path_and_query())
    }
}

/// The parts are encoded, so that this is always a target.
fn plain_target(text: &str) -> Target {
    let target = Target::parse(&Method::GET, text);
    debug_assert!(target.is_some(), "{text}");
    target.unwrap_or_else(|| plain_target("/"))
}

fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.is_some_and(|scheme| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(letter)
    })
}

fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// Encodes characters that are not allowed in a URI; existing encodings stay.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        push_encoded(&mut out, byte, |byte| {
            byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte)
        });
    }
    out
}

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            plain => kept.push(plain),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_brought_into_form() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Uri>().map(|uri| uri.to_string()).as_deref(), Ok(expected));
        };
        check("http://a.example", "http://a.example/");
        check("HTTP://A.Example:80?b#c", "http://a.example:80/?b");
        check("https://[::1]:8443/a/./b/../c", "https://[::1]:8443/a/c");
        check("http://u:p@a/%7Eb c/é", "http://u:p@a/%7Eb%20c/%C3%A9");
        check("http://a/../../b/.", "http://a/b/");
        check("http://a//b", "http://a//b");
        check("http://a/?x={\"y\"}|z", "http://a/?x=%7B%22y%22%7D%7Cz");
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        let check = |text: &str, error| assert_eq!(text.parse::<Uri>(), Err(error), "{text}");
        for text in ["", "a", "/a", "ftp://a/", "mailto:a", "http:/a"] {
            check(text, UriError::Scheme);
        }
        for text in
            ["http://", "http:///a", "http://a b/", "http://a:b/", "http://a\r\n/", "http://[/"]
        {
            check(text, UriError::Host);
        }
        check(&format!("http://a/{}", "b".repeat(BYTES_MAX)), UriError::TooLong);
        assert_eq!(Uri::from_parts("a@b", None, "/"), Err(UriError::Host));
    }

    #[test]
    fn parts() {
        let uri = Uri::from_parts("::1", Some(8080), "a?b").unwrap();
        assert_eq!((uri.to_string().as_str(), uri.bare_host()), ("http://[::1]:8080/a?b", "::1"));
        assert_eq!((uri.authority().as_str(), uri.port()), ("[::1]:8080", 8080));
        assert_eq!(uri.target().as_str(), "/a?b");
        assert_eq!(uri.tunnel_target().as_str(), "[::1]:8080");
        let uri: Uri = "https://u:p@a/b".parse().unwrap();
        assert_eq!((uri.authority().as_str(), uri.port()), ("a", 443));
        assert_eq!(uri.absolute_target().as_str(), "https://a/b");
    }

    /// The examples of RFC 3986, section 5.4, that a client can meet.
    #[test]
    fn references_are_resolved() {
        let base: Uri = "http://a/b/c/d;p?q".parse().unwrap();
        let check = |reference: &str, expected: &str| {
            let joined = base.join(reference).map(|uri| uri.to_string());
            assert_eq!(joined.as_deref(), Ok(expected), "{reference}");
        };
        check("g", "http://a/b/c/g");
        check("./g", "http://a/b/c/g");
        check("g/", "http://a/b/c/g/");
        check("/g", "http://a/g");
        check("//g", "http://g/");
        check("?y", "http://a/b/c/d;p?y");
        check("g?y", "http://a/b/c/g?y");
        check("#s", "http://a/b/c/d;p?q");
        check("g#s", "http://a/b/c/g");
        check(";x", "http://a/b/c/;x");
        check("", "http://a/b/c/d;p?q");
        check(".", "http://a/b/c/");
        check("..", "http://a/b/");
        check("../g", "http://a/b/g");
        check("../../../g", "http://a/g");
        check("/./g", "http://a/g");
        check("g.", "http://a/b/c/g.");
        check("./g/.", "http://a/b/c/g/");
        check("g;x=1/../y", "http://a/b/c/y");
        check("https://g:1/h", "https://g:1/h");
        assert_eq!(base.join("http:///x"), Err(UriError::Host));
        assert_eq!(base.join("mailto:x"), Err(UriError::Scheme));
    }
}
