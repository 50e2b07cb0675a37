//! `host:port` as text, in addresses, rules and `Host` headers: an IPv6 address stands in brackets.

/// Splits a host from its port; no port if there is no colon behind the host.
pub(crate) fn split_host_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// What stands in the brackets of a host; none if it has no brackets.
pub(crate) fn in_brackets(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_stands_behind_the_last_colon_that_is_not_in_brackets() {
        for (text, host, port) in [
            ("localhost:80", "localhost", Some("80")),
            ("localhost", "localhost", None),
            ("localhost:", "localhost", Some("")),
            ("[::1]:80", "[::1]", Some("80")),
            ("[::1]", "[::1]", None),
            ("[::1]80", "[::1]80", None),
            (":80", "", Some("80")),
            ("", "", None),
        ] {
            assert_eq!(split_host_port(text), (host, port), "{text:?}");
        }
    }

    #[test]
    fn both_brackets_are_taken_off() {
        for (host, inner) in [
            ("[::1]", Some("::1")),
            ("[]", Some("")),
            ("[::1", None),
            ("::1]", None),
            ("localhost", None),
        ] {
            assert_eq!(in_brackets(host), inner, "{host:?}");
        }
    }
}
