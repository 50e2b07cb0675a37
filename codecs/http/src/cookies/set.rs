//! `Set-Cookie`, written and read.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::date;
use crate::fields::is_token_byte;

/// A cookie as a server sets it.
///
/// ```
/// use sandloop_http::cookies::{SameSite, SetCookie};
///
/// let cookie = SetCookie::new("id", "42")?.path("/")?.http_only().same_site(SameSite::Lax);
/// assert_eq!(cookie.to_string(), "id=42; Path=/; HttpOnly; SameSite=Lax");
/// # Ok::<(), sandloop_http::cookies::CookieError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) path: Option<String>,
    pub(super) domain: Option<String>,
    /// Seconds; gone at once with 0.
    pub(super) max_age: Option<u64>,
    pub(super) expires: Option<SystemTime>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: Option<SameSite>,
}

/// When a browser sends a cookie along with a request that another site has caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the user follows a link.
    Lax,
    /// Always; the cookie must be secure.
    None,
}

/// A cookie cannot be written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// A name is one or more letters, digits and ``!#$%&'*+-.^_`|~``.
    Name,
    /// A value has no spaces, quotes, commas, semicolons, backslashes, control or non-ASCII characters.
    Value,
    /// A path or domain has no semicolons, control or non-ASCII characters.
    Attribute,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CookieError::Name => "a cookie's name is one or more letters, digits and hyphens",
            CookieError::Value => {
                "a cookie's value has no spaces, quotes, commas, semicolons or control characters: encode them"
            }
            CookieError::Attribute => {
                "a cookie's path and domain have no semicolons or control characters"
            }
        })
    }
}

impl std::error::Error for CookieError {}

impl SetCookie {
    /// A cookie until the browser is closed, for paths beside the one that sets it.
    ///
    /// # Errors
    /// `Name`, `Value`.
    pub fn new(name: &str, value: &str) -> Result<SetCookie, CookieError> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(CookieError::Name);
        }
        let octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if !value.bytes().all(octet) {
            return Err(CookieError::Value);
        }
        Ok(SetCookie::plain(name, value))
    }

    fn plain(name: &str, value: &str) -> SetCookie {
        SetCookie {
            name: name.to_owned(),
            value: value.to_owned(),
            path: None,
            domain: None,
            max_age: None,
            expires: None,
            secure: false,
            http_only: false,
            same_site: None,
        }
    }

    /// For this path and those below it.
    ///
    /// # Errors
    /// `Attribute`.
    pub fn path(self, path: &str) -> Result<SetCookie, CookieError> {
        Ok(SetCookie { path: Some(attribute(path)?), ..self })
    }

    /// For this host and those below it.
    ///
    /// # Errors
    /// `Attribute`.
    pub fn domain(self, domain: &str) -> Result<SetCookie, CookieError> {
        Ok(SetCookie { domain: Some(attribute(domain)?), ..self })
    }

    /// Expires after this time, in whole seconds. Zero deletes the cookie.
    #[must_use]
    pub fn max_age(self, age: Duration) -> SetCookie {
        SetCookie { max_age: Some(age.as_secs()), ..self }
    }

    /// Sent over TLS only.
    #[must_use]
    pub fn secure(self) -> SetCookie {
        SetCookie { secure: true, ..self }
    }

    /// Hidden from scripts.
    #[must_use]
    pub fn http_only(self) -> SetCookie {
        SetCookie { http_only: true, ..self }
    }

    /// Whether it is sent with requests that other sites cause.
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> SetCookie {
        SetCookie { same_site: Some(same_site), ..self }
    }

    /// Reads the field's value as RFC 6265 5.2 has browsers do: the value stays as it is, quotes and all, and attributes
    /// that make no sense are left out. None without a name.
    #[must_use]
    pub fn parse(field: &str) -> Option<SetCookie> {
        let mut parts = field.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let name = trimmed(name);
        if name.is_empty() {
            return None;
        }
        let mut cookie = SetCookie::plain(name, trimmed(value));
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            cookie.read_attribute(&trimmed(key).to_ascii_lowercase(), trimmed(value));
        }
        Some(cookie)
    }

    /// Of two that make sense the last counts.
    fn read_attribute(&mut self, key: &str, value: &str) {
        match key {
            // A value that is not a path means the folder of the request.
            "path" => self.path = value.starts_with('/').then(|| value.to_owned()),
            "domain" if !value.is_empty() => {
                let domain = value.strip_prefix('.').unwrap_or(value);
                self.domain = Some(domain.to_ascii_lowercase());
            }
            "max-age" => self.max_age = max_age(value).or(self.max_age),
            "expires" => self.expires = date::parse(value).or(self.expires),
            "secure" => self.secure = true,
            "httponly" => self.http_only = true,
            "samesite" => {
                self.same_site = match value.to_ascii_lowercase().as_str() {
                    "strict" => Some(SameSite::Strict),
                    "lax" => Some(SameSite::Lax),
                    "none" => Some(SameSite::None),
                    _ => self.same_site,
                };
            }
            _ => {}
        }
    }
}

/// Without the white space around it, which is spaces and tabs.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Seconds by RFC 6265 5.2.2: digits, perhaps behind a minus, which makes them none. More than there are numbers for
/// are as many as there are.
fn max_age(value: &str) -> Option<u64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if value.starts_with('-') { 0 } else { digits.parse().unwrap_or(u64::MAX) })
}

fn attribute(value: &str) -> Result<String, CookieError> {
    let fits = |byte: u8| matches!(byte, b' '..=b'~') && byte != b';';
    if value.bytes().all(fits) { Ok(value.to_owned()) } else { Err(CookieError::Attribute) }
}

impl fmt::Display for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)?;
        if let Some(path) = &self.path {
            write!(f, "; Path={path}")?;
        }
        if let Some(domain) = &self.domain {
            write!(f, "; Domain={domain}")?;
        }
        if let Some(age) = self.max_age {
            write!(f, "; Max-Age={age}")?;
        }
        if self.secure {
            f.write_str("; Secure")?;
        }
        if self.http_only {
            f.write_str("; HttpOnly")?;
        }
        match self.same_site {
            Some(SameSite::Strict) => f.write_str("; SameSite=Strict"),
            Some(SameSite::Lax) => f.write_str("; SameSite=Lax"),
            Some(SameSite::None) => f.write_str("; SameSite=None"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_stays_one_cookie() {
        let check = |result: Result<SetCookie, CookieError>, error| assert_eq!(result, Err(error));
        for name in ["", "a b", "a=", "a;", "é"] {
            check(SetCookie::new(name, "x"), CookieError::Name);
        }
        for value in ["a b", "a;b", "a,b", "a\r\nb", "\"a\"", "a\\", "é"] {
            check(SetCookie::new("a", value), CookieError::Value);
        }
        for path in ["/;Domain=x", "/\r\n", "/é"] {
            check(SetCookie::new("a", "b").unwrap().path(path), CookieError::Attribute);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let cookie = SetCookie::new("a", "b").unwrap().path("/c").unwrap().domain("d.e").unwrap();
        let cookie = cookie.max_age(Duration::from_secs(9)).secure().http_only();
        let text = cookie.to_string();
        assert_eq!(text, "a=b; Path=/c; Domain=d.e; Max-Age=9; Secure; HttpOnly");
        assert_eq!(SetCookie::parse(&text), Some(cookie));
    }

    #[test]
    fn what_others_write_is_read() {
        let read = SetCookie::parse(
            "a=\"b\";path=c; DOMAIN=.X.y;max-age=z;Expires=Thu, 01 Jan 1970 00:00:10 GMT;foo",
        )
        .unwrap();
        assert_eq!((read.name.as_str(), read.value.as_str()), ("a", "\"b\""));
        assert_eq!((read.path, read.domain), (None, Some("x.y".to_owned())));
        assert_eq!(read.max_age, None);
        assert_eq!(read.expires, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(10)));
        assert_eq!(SetCookie::parse("a"), None);
        assert_eq!(SetCookie::parse("=b"), None);
    }

    #[test]
    fn a_value_stays_as_it_is() {
        let check = |field: &str, value: &str| {
            assert_eq!(SetCookie::parse(field).unwrap().value, value, "{field:?}");
        };
        check("a=b", "b");
        check("a=", "");
        check("a= \t b \t ", "b");
        check("a=\"b\"", "\"b\"");
        check("a=\"", "\"");
        check("a=\"\"", "\"\"");
        check("a=\"  b \" ; x", "\"  b \"");
        check("a=\"b;c\"", "\"b");
        check("a=\"b, c=d\"", "\"b, c=d\"");
        check("a=b=c==", "b=c==");
        check("a=\u{a0}b\u{a0}", "\u{a0}b\u{a0}");
        check("a=\u{4e2d}", "\u{4e2d}");
    }

    #[test]
    fn an_age_is_digits() {
        let check = |value: &str, age: Option<u64>| {
            let cookie = SetCookie::parse(&format!("a=b; Max-Age={value}")).unwrap();
            assert_eq!(cookie.max_age, age, "{value:?}");
        };
        check("0", Some(0));
        check("5", Some(5));
        check(" 007 ", Some(7));
        check("-0", Some(0));
        check("-5", Some(0));
        check("-99999999999999999999999", Some(0));
        check("9223372036854775807", Some(9_223_372_036_854_775_807));
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", Some(u64::MAX));
        check("99999999999999999999999", Some(u64::MAX));
        for none in
            ["", "-", "-x", "+5", "5x", "5,399", "5.0", "0x5", "--5", "\"5\"", "5 5", "\u{665}"]
        {
            check(none, None);
        }
        // The last that makes sense counts.
        let cookie = SetCookie::parse("a=b; max-age=1; max-age=2; max-age=x").unwrap();
        assert_eq!(cookie.max_age, Some(2));
    }
}
