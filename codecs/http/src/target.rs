//! What a request is about, in each of its four forms (RFC 9112, section 3.2).

use http::Method;

use crate::fields::number;

/// A request's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    form: Form,
}

/// Where the parts stand in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `/path?query`.
    Origin { query: Option<usize> },
    /// `http://host/path?query`, as proxies are asked.
    Absolute { authority: (usize, usize), query: Option<usize> },
    /// `host:port`, of `CONNECT`.
    Authority,
    /// `*`, of `OPTIONS`.
    Asterisk,
}

impl Target {
    /// Reads what stands between method and version; none if it is no target of this method.
    #[must_use]
    pub fn parse(method: &Method, text: &str) -> Option<Target> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if text.is_empty() || !text.bytes().all(plain) {
            return None;
        }
        let form = match *method {
            Method::CONNECT => {
                let (host, port) = split_port(text)?;
                (!host.is_empty() && port.is_some()).then_some(Form::Authority)?
            }
            Method::OPTIONS if text == "*" => Form::Asterisk,
            _ if text.starts_with('/') => Form::Origin { query: text.find('?') },
            _ => absolute(text)?,
        };
        Some(Target { text: text.to_owned(), form })
    }

    /// As it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, percent-encoded as it came; `/` where there is none; `*` for the server as a whole; empty
    /// for `CONNECT`.
    #[must_use]
    pub fn path(&self) -> &str {
        let (start, query) = match self.form {
            Form::Origin { query } => (0, query),
            Form::Absolute { authority: (_, end), query } => (end, query),
            Form::Asterisk => return "*",
            Form::Authority => return "",
        };
        match &self.text[start..query.unwrap_or(self.text.len())] {
            "" => "/",
            path => path,
        }
    }

    /// What follows the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        match self.form {
            Form::Origin { query } | Form::Absolute { query, .. } => {
                query.map(|mark| &self.text[mark + 1..])
            }
            Form::Authority | Form::Asterisk => None,
        }
    }

    /// `host` or `host:port`, in the forms that have it.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        match self.form {
            Form::Absolute { authority: (start, end), .. } => Some(&self.text[start..end]),
            Form::Authority => Some(&self.text),
            Form::Origin { .. } | Form::Asterisk => None,
        }
    }

    /// Whether it is `*`: the server as a whole.
    #[must_use]
    pub fn is_asterisk(&self) -> bool {
        self.form == Form::Asterisk
    }
}

fn absolute(text: &str) -> Option<Form> {
    let start = ["http://", "https://"].into_iter().find_map(|scheme| {
        let begins = text.get(..scheme.len())?.eq_ignore_ascii_case(scheme);
        begins.then_some(scheme.len())
    })?;
    let end = text[start..].find(['/', '?']).map_or(text.len(), |at| start + at);
    let (host, _) = split_port(&text[start..end])?;
    let query = text[end..].find('?').map(|at| end + at);
    (!host.is_empty()).then_some(Form::Absolute { authority: (start, end), query })
}

/// Host and port of `host`, `host:port`, `[::1]`, `[::1]:port`; none if it is none of them. The host may be
/// empty.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            let address = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if inner.is_empty() || !inner.bytes().all(address) {
                return None;
            }
            (
                &authority[..inner.len() + 2],
                port.strip_prefix(':').or(port.is_empty().then_some(""))?,
            )
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            // RFC 3986's reg-name.
            let named =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
            if !host.bytes().all(named) {
                return None;
            }
            (host, port)
        }
    };
    if port.is_empty() {
        return Some((host, None));
    }
    let port = u16::try_from(number(port.as_bytes())?).ok()?;
    Some((host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        method: &Method,
        text: &str,
        path: &str,
        query: Option<&str>,
        authority: Option<&str>,
    ) {
        let target = Target::parse(method, text).unwrap();
        assert_eq!((target.path(), target.query(), target.authority()), (path, query, authority));
        assert_eq!(target.as_str(), text);
    }

    #[test]
    fn the_four_forms() {
        let (get, options, connect) = (Method::GET, Method::OPTIONS, Method::CONNECT);
        check(&get, "/", "/", None, None);
        check(&get, "/a/b?c=d?e", "/a/b", Some("c=d?e"), None);
        check(&get, "//a?", "//a", Some(""), None);
        check(&get, "http://a.example", "/", None, Some("a.example"));
        check(&get, "HTTP://a:8080/b?c", "/b", Some("c"), Some("a:8080"));
        check(&get, "https://[::1]:1?c", "/", Some("c"), Some("[::1]:1"));
        check(&options, "*", "*", None, None);
        check(&options, "/a", "/a", None, None);
        check(&connect, "a.example:443", "", None, Some("a.example:443"));
    }

    #[test]
    fn anything_else_is_refused() {
        let check = |method: Method, text: &str| {
            assert_eq!(Target::parse(&method, text), None, "{method} {text}");
        };
        for text in ["", "*", "a", "a/b", "/a#b", "/é", "/a b", "http://", "http:///a", "ftp://a/"]
        {
            check(Method::GET, text);
        }
        for text in ["http://user@a/", "http://a:b/", "http://a:65536/", "http://[a/", "http://[]/"]
        {
            check(Method::GET, text);
        }
        for text in ["a", "/", "*", ":443", "http://a:443", "a:443/"] {
            check(Method::CONNECT, text);
        }
    }
}
