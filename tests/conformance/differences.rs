//! The one table of known differences: which cases, what is seen instead, and why that stays so.

use crate::outcome::Outcome;

/// Cases that differ for one reason.
#[derive(Debug)]
pub struct Difference {
    pub suite: &'static str,
    /// A case, or the beginning of several and `*`.
    pub cases: &'static str,
    /// What is seen, or its beginning and `*`; empty for nothing.
    pub seen: &'static str,
    pub reason: &'static str,
}

const NO_SMALLER_WINDOW: &str = "the compressor has one window, of 32 KiB, so `client_max_window_bits` is not offered (RFC 7692 7.1.2.2)";

pub const KNOWN: &[Difference] = &[
    Difference {
        suite: "rfc3986",
        cases: "<g:h>",
        seen: "error: a redirect to nowhere: *",
        reason: "the client speaks http and no other scheme",
    },
    Difference {
        suite: "rfc3986",
        cases: "<http:g>",
        seen: "error: a redirect to nowhere: *",
        reason: "read strictly this is an http URI without a host, which nobody can be asked for",
    },
    Difference {
        suite: "http-state",
        cases: "DISABLED_CHROMIUM002*",
        seen: "error: a header field's value has a control character",
        reason: "a response with control characters in a field is refused whole (RFC 9110 5.5), before its cookies are read",
    },
    Difference {
        suite: "http-state",
        cases: "DISABLED_PATH0029",
        seen: "",
        reason: "RFC 6265 5.1.4 compares paths as they are written, so that %6F is no o; the group switched this case off",
    },
    Difference {
        suite: "http11probe",
        cases: "COMP-TRACE-WITH-BODY",
        seen: "200",
        reason: "what a TRACE means is for the plugin to say, and its content is framed as that of any request",
    },
    Difference {
        suite: "http11probe",
        cases: "MAL-URL-BACKSLASH",
        seen: "404",
        reason: "a target is handed to the plugin as it came: RFC 9112 3.2 lets a server be lenient where nothing is ambiguous",
    },
    Difference {
        suite: "sslyze",
        cases: "tickets",
        seen: "NOT_SUPPORTED",
        reason: "a session that is resumed gets a new ticket, which the scan takes for one that is not; `openssl s_client -reconnect` resumes each",
    },
    Difference {
        suite: "autobahn-server",
        cases: "13.3.*",
        seen: "UNIMPLEMENTED OK",
        reason: "the compressor has one window, of 32 KiB: an offer that asks for a smaller one is declined (RFC 7692 7.1.2.1)",
    },
    Difference {
        suite: "autobahn-server",
        cases: "13.5.*",
        seen: "UNIMPLEMENTED OK",
        reason: "as in 13.3, the offer asks for a smaller window than the compressor has",
    },
    Difference {
        suite: "autobahn-client",
        cases: "13.3.*",
        seen: "UNIMPLEMENTED OK",
        reason: NO_SMALLER_WINDOW,
    },
    Difference {
        suite: "autobahn-client",
        cases: "13.4.*",
        seen: "UNIMPLEMENTED OK",
        reason: NO_SMALLER_WINDOW,
    },
    Difference {
        suite: "autobahn-client",
        cases: "13.5.*",
        seen: "UNIMPLEMENTED OK",
        reason: NO_SMALLER_WINDOW,
    },
    Difference {
        suite: "autobahn-client",
        cases: "13.6.*",
        seen: "UNIMPLEMENTED OK",
        reason: NO_SMALLER_WINDOW,
    },
];

impl Difference {
    pub fn explains(&self, outcome: &Outcome) -> bool {
        fits(self.cases, &outcome.case) && fits(self.seen, &outcome.seen)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SUITES;

    /// Whether it still differs is looked at in each run of the command: `STALE`.
    #[test]
    fn every_difference_is_one_of_a_suite_and_has_a_reason() {
        for Difference { suite, cases, reason, .. } in KNOWN {
            assert!(SUITES.iter().any(|(name, _)| name == suite), "there is no suite {suite}");
            assert!(!cases.is_empty(), "{suite}: {reason}");
            assert!(20 < reason.len() && !reason.ends_with('.'), "{suite} {cases}: {reason:?}");
        }
    }

    #[test]
    fn a_pattern_ends_with_a_star() {
        assert!(fits("1.*", "1.2") && !fits("1.*", "12.1") && fits("*", "") && !fits("1", "1.2"));
    }
}
