//! A client's cookies: which are kept, and to which requests they are added.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::set::SetCookie;
use crate::uri::Uri;

/// The cookies that servers have set, with their domains, paths and expiry.
///
/// It has no list of public suffixes. So it refuses a cookie for a domain without a dot, and a plugin should give
/// each host a jar of its own where the hosts do not trust each other.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    /// Bytes, like the value: a server gets back its own bytes, in any encoding.
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    /// Sent to that host only, and not to its subdomains.
    host_only: bool,
    path: String,
    secure: bool,
    expires: Option<SystemTime>,
}

/// The parts of a request's URI that select cookies.
#[derive(Clone, Copy, Debug)]
pub struct RequestScope<'a> {
    /// The host, an IPv6 address without brackets.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// Whether it is sent over TLS.
    pub is_tls: bool,
}

impl<'a> From<&'a Uri> for RequestScope<'a> {
    fn from(uri: &'a Uri) -> RequestScope<'a> {
        RequestScope { host: uri.bare_host(), path: &uri.path, is_tls: uri.is_tls }
    }
}

/// The cookies in a jar. At the limit, a new one replaces the oldest.
const COOKIES_MAX: usize = 300;
/// The latest expiry of a cookie, in seconds since 1970: the last second of the year 9999.
const LATEST: u64 = 253_402_300_799;
/// Bytes of a cookie's name and value. A larger cookie is ignored.
const COOKIE_BYTES_MAX: usize = 4096;

impl Jar {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Jar {
        Jar { cookies: Vec::new() }
    }

    /// The number of cookies, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cookies.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// Keeps the cookie of one `Set-Cookie` in the response to a request. It is ignored if that host may not set it.
    pub fn store(&mut self, field: impl AsRef<[u8]>, request: RequestScope<'_>, now: SystemTime) {
        let Some((name, value)) = pair(field.as_ref()) else { return };
        let Some(set) = SetCookie::parse(&String::from_utf8_lossy(field.as_ref())) else { return };
        let RequestScope { host, path, is_tls } = request;
        let host = host.to_ascii_lowercase();
        let foreign = set.domain.as_deref().is_some_and(|domain| !may_set(&host, domain));
        let too_large = COOKIE_BYTES_MAX < name.len() + value.len();
        if foreign || too_large || (set.secure && !is_tls) {
            return;
        }
        let expires = match set.max_age {
            Some(seconds) => now.checked_add(Duration::from_secs(seconds.min(LATEST))),
            None => set.expires,
        };
        let cookie = Kept {
            host_only: set.domain.is_none(),
            domain: set.domain.unwrap_or(host),
            path: set.path.unwrap_or_else(|| default_path(path).to_owned()),
            name: name.to_vec(),
            value: value.to_vec(),
            secure: set.secure,
            expires,
        };
        self.cookies.retain(|old| !old.is_over(now));
        let old = self.cookies.iter().position(|old| old.is_same(&cookie));
        if cookie.is_over(now) {
            if let Some(old) = old {
                self.cookies.remove(old);
            }
            return;
        }
        // It has the place of the one that it replaces.
        if let Some(old) = old {
            self.cookies[old] = cookie;
            return;
        }
        if self.cookies.len() == COOKIES_MAX {
            self.cookies.remove(0);
        }
        self.cookies.push(cookie);
    }

    /// The value of `Cookie` for a request, as a text; none if there is nothing to send. What is not UTF-8 is replaced:
    /// to send it, take [`header_bytes`](Self::header_bytes).
    #[must_use]
    pub fn header(&self, request: RequestScope<'_>, now: SystemTime) -> Option<String> {
        let bytes = self.header_bytes(request, now)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The value of `Cookie` for a request; none if there is nothing to send.
    #[must_use]
    pub fn header_bytes(&self, request: RequestScope<'_>, now: SystemTime) -> Option<Vec<u8>> {
        let RequestScope { host, path, is_tls } = request;
        let host = host.to_ascii_lowercase();
        let goes = |cookie: &&Kept| {
            let there = if cookie.host_only {
                host == cookie.domain
            } else {
                is_below(&host, &cookie.domain)
            };
            there
                && is_path_below(path, &cookie.path)
                && (is_tls || !cookie.secure)
                && !cookie.is_over(now)
        };
        let mut cookies: Vec<_> = self.cookies.iter().filter(goes).collect();
        // Longer paths first, as RFC 6265 has it; otherwise the order in which they came.
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> =
            cookies.iter().map(|one| [&one.name[..], b"=", &one.value].concat()).collect();
        (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
    }
}

impl Kept {
    fn is_same(&self, other: &Kept) -> bool {
        self.name == other.name && self.domain == other.domain && self.path == other.path
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

/// Name and value of a `Set-Cookie`, as they are.
fn pair(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = field.split(|byte| *byte == b';').next()?;
    let at = first.iter().position(|byte| *byte == b'=')?;
    Some((trimmed(&first[..at]), trimmed(&first[at + 1..])))
}

/// Without the spaces and tabs around it.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_other = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let Some(first) = bytes.iter().position(is_other) else { return &[] };
    let last = bytes.iter().rposition(is_other).unwrap_or(first);
    &bytes[first..=last]
}

/// Whether `host` may set cookies for `domain`.
fn may_set(host: &str, domain: &str) -> bool {
    host == domain || (domain.contains('.') && is_below(host, domain))
}

/// Whether a host is `domain` or below it. An address is below nothing.
fn is_below(host: &str, domain: &str) -> bool {
    let below = || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    host == domain || (below() && host.parse::<IpAddr>().is_err())
}

fn is_path_below(path: &str, parent: &str) -> bool {
    let rest = path.strip_prefix(parent);
    rest.is_some_and(|rest| rest.is_empty() || parent.ends_with('/') || rest.starts_with('/'))
}

/// The folder of a path.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if 0 < at && path.starts_with('/') => &path[..at],
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    /// A plain request to the host `a`.
    const A: RequestScope<'_> = RequestScope { host: "a", path: "/", is_tls: false };

    #[track_caller]
    fn check(set: &[(&str, &str)], host: &str, path: &str, expected: Option<&str>) {
        let mut jar = Jar::new();
        for (from, field) in set {
            let request = RequestScope { host: from, path: "/folder/page", is_tls: true };
            jar.store(field, request, NOW);
        }
        let request = RequestScope { host, path, is_tls: false };
        assert_eq!(jar.header(request, NOW).as_deref(), expected);
    }

    #[test]
    fn cookies_go_where_they_belong() {
        check(&[("a.b", "x=1")], "a.b", "/folder/other", Some("x=1"));
        check(&[("a.b", "x=1")], "A.B", "/folder", Some("x=1"));
        check(&[("a.b", "x=1")], "a.b", "/folders", None);
        check(&[("a.b", "x=1")], "c.a.b", "/folder", None);
        check(&[("a.b", "x=1; Path=/")], "a.b", "/folders", Some("x=1"));
        check(&[("c.a.b", "x=1; Path=/; Domain=a.b")], "d.a.b", "/", Some("x=1"));
        check(&[("c.a.b", "x=1; Path=/; Domain=a.b")], "da.b", "/", None);
        check(&[("a.b", "x=1; Path=/; Secure")], "a.b", "/", None);
    }

    #[test]
    fn a_server_sets_its_own_only() {
        check(&[("a.b", "x=1; Path=/; Domain=c.d")], "c.d", "/", None);
        check(&[("a.b", "x=1; Path=/; Domain=b")], "a.b", "/", None);
        check(&[("1.2.3.4", "x=1; Path=/; Domain=3.4")], "1.2.3.4", "/", None);
        check(&[("localhost", "x=1; Path=/; Domain=localhost")], "localhost", "/", Some("x=1"));
    }

    #[test]
    fn later_ones_replace_earlier_ones() {
        let set = [("a.b", "x=1;Path=/"), ("a.b", "y=2; Path=/folder"), ("a.b", "x=3;Path=/")];
        check(&set, "a.b", "/folder/", Some("y=2; x=3"));
        let set = [("a.b", "x=1;Path=/"), ("a.b", "x=; Path=/; Max-Age=0")];
        check(&set, "a.b", "/", None);
        let set =
            [("a.b", "x=1;Path=/"), ("a.b", "x=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")];
        check(&set, "a.b", "/", None);
    }

    #[test]
    fn cookies_end() {
        let mut jar = Jar::new();
        jar.store("x=1; Path=/; Max-Age=10", A, NOW);
        let after = |seconds| NOW + Duration::from_secs(seconds);
        assert_eq!(jar.header(A, after(9)).as_deref(), Some("x=1"));
        assert_eq!(jar.header(A, after(10)), None);
    }

    #[test]
    fn a_cookie_may_last_for_ever() {
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        for age in ["9223372036854775807", "18446744073709551615", "99999999999999999999999"] {
            let mut jar = Jar::new();
            jar.store(format!("x=1; Max-Age={age}"), A, late);
            let later = late + Duration::from_secs(100_000_000_000);
            assert_eq!(jar.header(A, later).as_deref(), Some("x=1"), "{age}");
        }
    }

    #[test]
    fn what_is_no_age_deletes_nothing() {
        for age in ["-x", "-", "+0", "0x", ""] {
            let mut jar = Jar::new();
            jar.store("x=1", A, NOW);
            jar.store(format!("x=2; Max-Age={age}"), A, NOW);
            assert_eq!(jar.header(A, NOW).as_deref(), Some("x=2"), "{age}");
        }
    }

    #[test]
    fn a_cookie_that_is_set_again_keeps_its_place() {
        let set = [("a.b", "x=1"), ("a.b", "y=2"), ("a.b", "x=3")];
        check(&set, "a.b", "/folder/", Some("x=3; y=2"));
    }

    #[test]
    fn a_cookie_is_bytes() {
        let check = |field: &[u8], expected: &[u8]| {
            let mut jar = Jar::new();
            jar.store(field, A, NOW);
            assert_eq!(jar.header_bytes(A, NOW).as_deref(), Some(expected));
        };
        check(b"x=caf\xe9", b"x=caf\xe9");
        check(b"\xe9=\xff\xfe \t; Path=/", b"\xe9=\xff\xfe");
        check(b" x =\t\x80\x81 ;\xff", b"x=\x80\x81");
        check(b"x=", b"x=");
        // Two that differ in such a byte are two.
        let mut jar = Jar::new();
        jar.store(b"\xe9=1", A, NOW);
        jar.store(b"\xe8=2", A, NOW);
        assert_eq!(jar.header_bytes(A, NOW).as_deref(), Some(&b"\xe9=1; \xe8=2"[..]));
    }

    #[test]
    fn a_jar_has_a_bound() {
        let mut jar = Jar::new();
        for number in 0..=COOKIES_MAX {
            jar.store(format!("x{number}=1"), A, NOW);
        }
        jar.store(format!("y={}", "z".repeat(COOKIE_BYTES_MAX)), A, NOW);
        assert_eq!(jar.len(), COOKIES_MAX);
        assert!(jar.header(A, NOW).is_some_and(|all| all.starts_with("x1=1; ")));
    }
}
