//! Cookies (RFC 6265): what a client brings, what a server sets, and a client's jar.

mod date;
mod jar;
mod set;

pub use self::jar::{Jar, RequestScope};
pub use self::set::{CookieError, SameSite, SetCookie};
use crate::headers::Headers;

/// The cookies of a request, in its order; what is no text or no pair is left out. Quotes around a value are, too: they
/// are in the field as it came.
pub fn of_request(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all("cookie")
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.trim_end(), unquoted(value.trim_start())))
}

/// Without the quotes around it.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found() {
        let mut headers = Headers::new();
        headers.append("Cookie", "a=1; b=\"2\";c = 3=4 ; d; =e; f=").unwrap();
        headers.append("cookie", "g=5").unwrap();
        let cookies: Vec<_> = of_request(&headers).collect();
        let expected = [("a", "1"), ("b", "2"), ("c", "3=4"), ("", "e"), ("f", ""), ("g", "5")];
        assert_eq!(cookies, expected);
    }
}
