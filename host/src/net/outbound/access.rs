//! Whether a plugin may connect: what it asks for before anything begins, and each address of a name before it is
//! tried.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::allow::{Allow, Objection};
use crate::config::connect::ConnectRule;
use crate::log::text::is_harmless;
use crate::net::outbound::own_listeners::OwnListeners;
use crate::net::outbound::{Attempt, Target};

/// What may not be connected to, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRefusal {
    /// Why.
    pub objection: Objection,
    /// The address, where it is another thing than what the plugin asked for.
    pub address: Option<SocketAddr>,
    /// What would have to be in `allow.connect`, if anything can.
    pub rule: Option<String>,
}

impl Target {
    /// Whether it may be asked for. An address and a path are final with that; what a name stands for is for
    /// [`Target::check_attempt`].
    ///
    /// # Errors
    /// Why not.
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

    /// Whether an address that its name stands for may be tried.
    ///
    /// # Errors
    /// Why not.
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

    /// The address, where it is one.
    fn address(&self) -> Option<SocketAddr> {
        let Target::Tcp { host, port } = self else { return None };
        Some(SocketAddr::new(host.parse().ok()?, *port))
    }

    /// The rule that lists it and nothing else, if there is one: a name may have letters that no rule has, and a
    /// plugin must not talk its operator into a `*`.
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

/// What a path leads to counts, not only how it is written.
fn check_path(path: &str, allow: &Allow, own: &OwnListeners) -> Result<(), Objection> {
    let rules = || allow.connect.iter().filter(|rule| rule.matches_unix(path));
    if rules().next().is_none() {
        return Err(Objection::NotListed);
    }
    if rules().any(|rule| rule.unix_start().is_none()) {
        // The operator wrote this path, and knows where it leads.
        return Ok(());
    }
    // Nothing is there: connecting will say so.
    let Ok(real) = std::fs::canonicalize(path) else { return Ok(()) };
    if own.are_at_path(&real) {
        return Err(Objection::OwnListener);
    }
    if rules().filter_map(ConnectRule::unix_start).any(|start| covers(start, &real)) {
        return Ok(());
    }
    Err(Objection::LeadsElsewhere)
}

/// Whether `real`, a path without links, starts so, whichever links lead to the folder of `start`.
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

    /// What is asked for, and the rule that would list it.
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

    /// `inet_aton` takes more than the four numbers of an address for one.
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
