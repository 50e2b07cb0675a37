//! What of a request is for its server only, and does not follow a redirect to another one (RFC 9110 15.4).

use sandloop_http::Headers;

/// Words in the names of header fields that prove who sends them: the fields of HTTP (`Authorization`, `Cookie`,
/// `Proxy-Authorization` …), and what services have in their place (`X-Api-Key`, `Private-Token`,
/// `X-Amz-Security-Token` …).
const WORDS: [&str; 13] = [
    "authorization",
    "authenticate",
    "authentication",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "session",
    "signature",
    "api-key",
    "apikey",
];

/// Removes them, and the name of the old server. `goes_to_proxy`: the next request goes to the same proxy, which is to
/// know its user again.
pub(super) fn leave_secrets(headers: &mut Headers, goes_to_proxy: bool) {
    let is_left = |name: &str| {
        let name = name.to_ascii_lowercase();
        let is_secret = name == "host" || WORDS.iter().any(|word| name.contains(word));
        is_secret && !(goes_to_proxy && name == "proxy-authorization")
    };
    let names: Vec<String> =
        headers.iter().map(|(name, _)| name.to_owned()).filter(|name| is_left(name)).collect();
    for name in names {
        headers.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, goes_to_proxy: bool, stays: bool) {
        let mut headers = Headers::new();
        headers.append(name, "x").unwrap();
        headers.append(name, "y").unwrap();
        leave_secrets(&mut headers, goes_to_proxy);
        assert_eq!(headers.contains(name), stays, "{name}");
    }

    #[test]
    fn what_proves_who_one_is_stays() {
        for name in [
            "Authorization",
            "PROXY-AUTHORIZATION",
            "Cookie",
            "Cookie2",
            "Host",
            "WWW-Authenticate",
            "Proxy-Authenticate",
            "X-Api-Key",
            "ApiKey",
            "X-Auth-Token",
            "Private-Token",
            "X-CSRF-Token",
            "X-Amz-Security-Token",
            "X-Vault-Token",
            "X-Client-Secret",
            "X-Session-Id",
            "Signature",
            "Signature-Input",
        ] {
            check(name, false, false);
        }
        for name in
            ["Accept", "User-Agent", "Content-Type", "X", "Author", "If-None-Match", "Referer"]
        {
            check(name, false, true);
        }
    }

    #[test]
    fn a_proxy_knows_its_user_again() {
        check("Proxy-Authorization", true, true);
        check("Authorization", true, false);
    }
}
