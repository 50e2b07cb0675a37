//! Basic authentication (RFC 7617).

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The value of `Authorization` or `Proxy-Authorization`. A colon in `user` would end it.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// User and password of such a value.
#[must_use]
pub fn parse_basic(value: &str) -> Option<(String, String)> {
    let (scheme, code) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_and_read() {
        let value = basic("Aladdin", "open:sesame");
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==");
        let both = Some(("Aladdin".to_owned(), "open:sesame".to_owned()));
        assert_eq!(parse_basic(&value), both);
        assert_eq!(parse_basic(&value.replace("Basic", "basic")), both);
        for bad in ["", "Basic", "Basic !", "Basic QQ==", "Bearer QWxhZGRpbjpvcGVuOnNlc2FtZQ=="] {
            assert_eq!(parse_basic(bad), None, "{bad}");
        }
        let long = basic("user", &"x".repeat(200));
        assert!(!long.contains('\n'));
    }
}
