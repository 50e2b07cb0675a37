//! Access control of outgoing connections: the target is checked before anything begins, and each address of a name
//! before it is tried.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::allow::{Allow, Objection};
use crate::config::connect::ConnectRule;
use crate::log::text::is_harmless;
use crate::net::outbound::own_listeners::OwnListeners;
use crate::net::outbound::{Attempt, Target};

/// A refused target, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRefusal {
    pub objection: Objection,
    /// The address that was refused, if the plugin asked for a name.
    pub address: Option<SocketAddr>,
    /// The rule in `allow.connect` that would grant it, if one can.
    pub rule: Option<String>,
}

impl Target {
    /// Checks whether it is granted. For an address or a path this is final; the addresses of a name are checked by
    /// [`Target::check_attempt`].
    ///
    /// # Errors
    /// The refusal.
    pub fn check(&self, allow: &Allow, own: &OwnListeners) -> Result<(), AccessRefusal> {
        let result = match self {
            Target::Unix(path) => check_path(path, allow, own),
            Target::Tcp { host, port } => match self.address() {
                Some(address) => allow.reach(None, address, own.are_at(address)),
                None if allow.may_ask_for(host, *port) => Ok(()),
                None => Err(Objection::NotListed),
            },
        };
        result.map_err(|objection| AccessRefusal { objection, address: None, rule: self.rule() })
    }

    /// Checks whether an address that its name has resolved to may be tried.
    ///
    /// # Errors
    /// The refusal.
    pub fn check_attempt(
        &self,
        attempt: &Attempt,
        allow: &Allow,
        own: &OwnListeners,
    ) -> Result<(), AccessRefusal> {
        let (Target::Tcp { host, .. }, Attempt::Tcp(address)) = (self, attempt) else {
            return Ok(());
        };
        let name = self.address().is_none().then_some(host.as_str());
        allow.reach(name, *address, own.are_at(*address)).map_err(|objection| AccessRefusal {
            objection,
            address: Some(*address),
            rule: Some(rule_of(*address)),
        })
    }

    /// The address, if the target is one.
    fn address(&self) -> Option<SocketAddr> {
        let Target::Tcp { host, port } = self else { return None };
        Some(SocketAddr::new(host.parse().ok()?, *port))
    }

    /// The rule that grants exactly this target. None if the name has characters that a rule cannot have: a plugin must
    /// not get its operator to write a `*`.
    fn rule(&self) -> Option<String> {
        let text = self.address().map_or_else(|| self.to_string(), rule_of);
        let is_single = ConnectRule::parse(&text).is_ok_and(|rule| rule.is_single());
        (is_single && text.chars().all(is_harmless)).then_some(text)
    }
}

/// The rule for exactly this address and port.
fn rule_of(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

/// Checks the target of a path, not only its text.
fn check_path(path: &str, allow: &Allow, own: &OwnListeners) -> Result<(), Objection> {
    let rules = || allow.connect.iter().filter(|rule| rule.matches_unix(path));
    if rules().next().is_none() {
        return Err(Objection::NotListed);
    }
    if rules().any(|rule| rule.unix_start().is_none()) {
        // Granted as written: the operator is responsible for where it leads.
        return Ok(());
    }
    // The path does not exist: connecting will report that.
    let Ok(real) = std::fs::canonicalize(path) else { return Ok(()) };
    if own.are_at_path(&real) {
        return Err(Objection::OwnListener);
    }
    if rules().filter_map(ConnectRule::unix_start).any(|start| covers(start, &real)) {
        return Ok(());
    }
    Err(Objection::LeadsElsewhere)
}

/// Whether `real`, a path without links, begins with `start` when the links of that path's folder are resolved.
fn covers(start: &str, real: &Path) -> bool {
    let Some((folder, name)) = start.rsplit_once('/') else { return false };
    let Ok(folder) = std::fs::canonicalize(format!("{folder}/")) else { return false };
    let below = real.strip_prefix(folder).ok().and_then(Path::to_str);
    below.is_some_and(|below| below.starts_with(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::config::address::ListenAddress;

    fn allow(rules: &[&str]) -> Allow {
        let connect = rules.iter().map(|rule| ConnectRule::parse(rule).expect(rule)).collect();
        Allow { connect, ..Allow::default() }
    }

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp { host: host.into(), port }
    }

    /// Checks a target against rules, and the rule that would grant it.
    #[track_caller]
    fn check(rules: &[&str], target: &Target, expected: Result<(), (Objection, Option<&str>)>) {
        let own = OwnListeners::default();
        own.add(&ListenAddress::Tcp("127.0.0.1:10000".parse().expect("an address")));
        let result = target.check(&allow(rules), &own);
        let result = result.map_err(|refusal| (refusal.objection, refusal.rule));
        let result =
            result.as_ref().copied().map_err(|(objection, rule)| (*objection, rule.as_deref()));
        assert_eq!(result, expected, "{rules:?} {target}");
    }

    #[test]
    fn what_is_asked_for() {
        let not_listed = |rule| Err((Objection::NotListed, Some(rule)));
        check(&["a.example:80"], &tcp("a.example", 80), Ok(()));
        check(&["a.example:80"], &tcp("b.example", 80), not_listed("b.example:80"));
        check(&["a.example:80"], &tcp("::ffff:1.2.3.4", 80), not_listed("1.2.3.4:80"));
        check(&["a.example:80"], &tcp("2606::1", 80), not_listed("[2606::1]:80"));
        let unix = Target::Unix("/run/x.sock".into());
        check(&["unix:/run/x.sock"], &unix, Ok(()));
        check(&[], &unix, not_listed("unix:/run/x.sock"));
        let own = Err((Objection::OwnListener, Some("127.0.0.1:10000")));
        check(&["127.0.0.1:*"], &tcp("127.0.0.1", 10000), own);
        check(&["127.0.0.1:*"], &tcp("127.0.0.1", 10001), Ok(()));
        check(&["127.0.0.1:10000"], &tcp("127.0.0.1", 10000), Ok(()));
        let special = Err((Objection::NotPublic("private"), Some("10.0.0.1:80")));
        check(&["*:80"], &tcp("10.0.0.1", 80), special);
    }

    /// `inet_aton` accepts more than four decimal numbers as an address.
    #[test]
    fn a_number_is_a_name_until_it_is_looked_up() {
        for host in ["127.1", "0x7f000001", "2130706433", "fe80::1%lo"] {
            check(
                &["127.0.0.1:80", "a.example:80"],
                &tcp(host, 80),
                Err((Objection::NotListed, None)),
            );
            check(&["*:80"], &tcp(host, 80), Ok(()));
        }
    }

    #[test]
    fn no_rule_for_more_than_was_asked_for_is_proposed() {
        for host in ["*", "*.example.com", "10.0.0.0/8", "bücher.example"] {
            check(&[], &tcp(host, 80), Err((Objection::NotListed, None)));
        }
        for path in ["/run/*", "/run/a\nb", "/run/../x", "x.sock"] {
            check(&[], &Target::Unix(path.into()), Err((Objection::NotListed, None)));
        }
    }

    #[test]
    fn what_a_name_stands_for() {
        let own = OwnListeners::default();
        own.add(&ListenAddress::Tcp("0.0.0.0:81".parse().expect("an address")));
        let allow = allow(&["a.example:*", "127.0.0.1:82", "localhost:*"]);
        let check = |host: &str, address: &str, expected: Result<(), (Objection, &str)>| {
            let address: SocketAddr = address.parse().expect(address);
            let target = tcp(host, address.port());
            let result = target.check_attempt(&Attempt::Tcp(address), &allow, &own);
            let expected = expected.map_err(|(objection, rule)| AccessRefusal {
                objection,
                address: Some(address),
                rule: Some(rule.to_owned()),
            });
            assert_eq!(result, expected, "{host} is {address}");
        };
        check("a.example", "1.1.1.1:80", Ok(()));
        check("a.example", "127.0.0.1:80", Err((Objection::NotPublic("loopback"), "127.0.0.1:80")));
        check("a.example", "127.0.0.1:82", Ok(()));
        check("a.example", "[::ffff:127.0.0.1]:82", Ok(()));
        check(
            "a.example",
            "[::ffff:10.0.0.1]:80",
            Err((Objection::NotPublic("private"), "10.0.0.1:80")),
        );
        check("localhost", "127.0.0.1:80", Ok(()));
        check("localhost", "[::1]:80", Ok(()));
        check("localhost", "127.0.0.1:81", Err((Objection::OwnListener, "127.0.0.1:81")));
    }

    #[test]
    fn where_a_path_leads() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let text = |name: &str| at(name).to_str().expect("a path in UTF-8").to_owned();
        for name in ["open", "closed"] {
            std::fs::create_dir(at(name)).expect("a new folder");
        }
        let bind = |name: &str| UnixListener::bind(at(name)).expect("a new path");
        let _sockets = ["open/a.sock", "closed/b.sock", "open/own.sock"].map(bind);
        for (original, link) in [
            (at("closed/b.sock"), "open/out"),
            (at("open/a.sock"), "open/in"),
            (at("open"), "alias"),
        ] {
            symlink(original, at(link)).expect("a new path");
        }
        let own = OwnListeners::default();
        own.add(&ListenAddress::Unix(at("open/own.sock")));
        let check = |rule: &str, path: &str, expected: Result<(), Objection>| {
            let allow = allow(&[&format!("unix:{}", text(rule))]);
            let result = Target::Unix(text(path)).check(&allow, &own);
            assert_eq!(result.map_err(|r| r.objection), expected, "{rule} and {path}");
        };
        check("open/*", "open/a.sock", Ok(()));
        check("open/*", "open/in", Ok(()));
        check("open/*", "open/nothing", Ok(()));
        check("open/*", "open/out", Err(Objection::LeadsElsewhere));
        check("open/*", "closed/b.sock", Err(Objection::NotListed));
        check("open/a*", "open/a.sock", Ok(()));
        check("open/i*", "open/in", Err(Objection::LeadsElsewhere));
        check("alias/*", "alias/a.sock", Ok(()));
        check("alias/a*", "alias/a.sock", Ok(()));
        check("alias/*", "alias/out", Err(Objection::LeadsElsewhere));
        check("open/out", "open/out", Ok(()));
        check("open/*", "open/own.sock", Err(Objection::OwnListener));
        check("alias/*", "alias/own.sock", Err(Objection::OwnListener));
        check("open/own.sock", "open/own.sock", Ok(()));
    }
}
