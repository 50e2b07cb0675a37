//! `[plugins.<name>.allow]`: what a plugin may do besides serving.

use std::net::SocketAddr;
use std::path::Path;

use super::channel::ChannelRule;
use super::connect::ConnectRule;
use super::directory::{self, Directory};
use super::error::{ConfigError, Problem};
use super::listen_rule::{ListenPlace, ListenRule};
use super::raw::{RawAllow, RawPlugin};
use super::source::{KeyPlace, each};
use super::special_purpose;

/// `[plugins.<name>.allow]`: what a plugin may do besides serving; by default nothing.
///
/// Its environment variables are in [`PluginConfig::environment`](super::model::PluginConfig::environment), with their values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    /// Addresses to which it may connect.
    pub connect: Vec<ConnectRule>,
    /// Addresses at which it may listen, and from which it may send.
    pub listen: Vec<ListenRule>,
    /// Whether it may stop the host.
    pub stop: bool,
    /// Plugins that it may spawn besides itself.
    pub spawn: Vec<String>,
    /// Channels and queues of other tenants that it may use.
    pub channels: Vec<ChannelRule>,
    /// Folders of the host that it may use.
    pub directories: Vec<Directory>,
}

/// Why a plugin may not connect to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// No rule lists it.
    NotListed,
    /// The address is not public, and only rules for names or `*` list it. The text is the kind of the address.
    NotPublic(&'static str),
    /// It is a listener of this host, and no rule has exactly that address and port, or that path.
    OwnListener,
    /// A rule with a `*` lists the path, but a link leads out of the prefix.
    LeadsElsewhere,
}

impl Allow {
    /// Whether `name` may be looked up; [`Allow::reach`] checks the addresses.
    pub fn may_ask_for(&self, name: &str, port: u16) -> bool {
        self.connect.iter().any(|rule| rule.lists_name(name, port))
    }

    /// Whether `address` may be connected to. `name` is the name that was looked up, none if the plugin has asked for the address
    /// itself; `is_own` says whether it is a listener of this host.
    ///
    /// A name that no rule lists counts as listed: the look-up was admitted before.
    ///
    /// # Errors
    /// Why not.
    pub fn reach(
        &self,
        name: Option<&str>,
        address: SocketAddr,
        is_own: bool,
    ) -> Result<(), Objection> {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        if is_own && !self.connect.iter().any(|rule| rule.is_exactly(ip, port)) {
            return Err(Objection::OwnListener);
        }
        if self.connect.iter().any(|rule| rule.lists_address(ip, port)) {
            return Ok(());
        }
        let wide = match name {
            Some(_) => true,
            None => self.connect.iter().any(|rule| rule.lists_everything(port)),
        };
        match special_purpose::kind(ip) {
            _ if !wide => Err(Objection::NotListed),
            None => Ok(()),
            // A rule for `localhost` includes the loopback.
            Some(_) if ip.is_loopback() && name.is_some_and(|name| self.is_local(name, port)) => {
                Ok(())
            }
            Some(kind) => Err(Objection::NotPublic(kind)),
        }
    }

    /// Whether a rule for this machine lists this name.
    fn is_local(&self, name: &str, port: u16) -> bool {
        let mut listed = self.connect.iter().filter(|rule| rule.lists_name(name, port)).peekable();
        match listed.peek() {
            Some(_) => listed.any(ConnectRule::is_local),
            None => super::connect::is_local(name),
        }
    }

    /// Whether it may listen at this address.
    pub fn may_listen(&self, at: &ListenPlace) -> bool {
        self.listen.iter().any(|rule| rule.lists(at))
    }

    /// Whether another plugin may be spawned.
    pub fn may_spawn(&self, plugin: &str) -> bool {
        self.spawn.iter().any(|name| name == plugin)
    }

    /// Whether the channel or queue `name` of another tenant may be used.
    pub fn may_reach_channel(&self, tenant: &str, name: &str) -> bool {
        self.channels.iter().any(|rule| rule.matches(tenant, name))
    }
}

/// What the other sections of the file declare.
pub(crate) struct Declared<'a> {
    plugins: Vec<&'a str>,
    tenants: Vec<&'a str>,
}

impl<'a> Declared<'a> {
    /// The plugins in the order of the file, and their tenants.
    pub(crate) fn of(plugins: &[(KeyPlace<'_>, &'a str, &'a RawPlugin)]) -> Declared<'a> {
        let mut tenants = Vec::new();
        for (_, name, raw) in plugins {
            let tenant = raw.tenant.as_deref().unwrap_or(name);
            if !tenants.contains(&tenant) {
                tenants.push(tenant);
            }
        }
        Declared { plugins: plugins.iter().map(|(_, name, _)| *name).collect(), tenants }
    }

    fn check_plugin(&self, name: &str) -> Result<(), Problem> {
        if self.plugins.contains(&name) {
            return Ok(());
        }
        Err(Problem::new(
            format!("no plugin {name:?} is declared"),
            format!("write one of {}", self.plugins.join(", ")),
        ))
    }

    fn check_tenant(&self, rule: &ChannelRule) -> Result<(), Problem> {
        if self.tenants.contains(&rule.tenant.as_str()) {
            return Ok(());
        }
        Err(Problem::new(
            format!("no plugin belongs to a tenant {:?}", rule.tenant),
            format!("write one of {} before the slash", self.tenants.join(", ")),
        ))
    }
}

/// Resolves `[plugins.<name>.allow]`; folders are relative to `folder`.
pub(crate) fn resolve(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawAllow,
    names: &Declared<'_>,
) -> Result<Allow, ConfigError> {
    each(&place.key("spawn"), &raw.spawn, |name| names.check_plugin(name))?;
    let channels = each(&place.key("channels"), &raw.channels, |text| {
        let rule = ChannelRule::parse(text)?;
        names.check_tenant(&rule).map(|()| rule)
    })?;
    Ok(Allow {
        connect: each(&place.key("connect"), &raw.connect, ConnectRule::parse)?,
        listen: each(&place.key("listen"), &raw.listen, ListenRule::parse)?,
        stop: raw.stop,
        spawn: raw.spawn.clone(),
        channels,
        directories: directory::resolve(place, folder, raw)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(rules: &[&str]) -> Allow {
        let connect = rules.iter().map(|rule| ConnectRule::parse(rule).expect(rule)).collect();
        Allow { connect, ..Allow::default() }
    }

    /// Checks the result for `name` with the address `address`, or for `address` itself.
    #[track_caller]
    fn check(rules: &[&str], name: Option<&str>, address: &str, expected: Result<(), Objection>) {
        let address = address.parse().expect(address);
        let reached = allow(rules).reach(name, address, false);
        assert_eq!(reached, expected, "{rules:?} {name:?} {address}");
    }

    fn not_public(kind: &'static str) -> Result<(), Objection> {
        Err(Objection::NotPublic(kind))
    }

    #[test]
    fn a_name_leads_to_public_addresses() {
        let name = Some("api.example.com");
        for rule in ["api.example.com:443", "*.example.com:443", "*:443", "*:400-500"] {
            let check = |address, expected| check(&[rule], name, address, expected);
            check("93.184.215.14:443", Ok(()));
            check("[2606:2800:21f::1]:443", Ok(()));
            check("127.0.0.1:443", not_public("loopback"));
            check("10.1.2.3:443", not_public("private"));
            check("169.254.169.254:443", not_public("link-local"));
            check("[::ffff:192.168.0.1]:443", not_public("private"));
            check("[64:ff9b::a00:1]:443", not_public("private"));
            check("[fe80::1]:443", not_public("link-local"));
            check("0.0.0.0:443", not_public("unspecified"));
            check("[::]:443", not_public("unspecified"));
            check("224.0.0.1:443", not_public("multicast"));
        }
    }

    #[test]
    fn a_name_leads_to_other_addresses_that_are_listed_themselves() {
        let name = Some("db.example.com");
        let rules = ["db.example.com:5432", "10.0.0.0/8:5432", "[fd00::/8]:5432"];
        check(&rules, name, "10.1.2.3:5432", Ok(()));
        check(&rules, name, "[::ffff:10.1.2.3]:5432", Ok(()));
        check(&rules, name, "[fd00::5]:5432", Ok(()));
        check(&rules, name, "192.168.0.1:5432", not_public("private"));
        check(&rules, name, "10.1.2.3:80", not_public("private"));
    }

    #[test]
    fn localhost_is_meant_where_it_is_written() {
        for (rule, name) in [
            ("localhost:5672", "localhost"),
            ("LocalHost.:*", "LOCALHOST"),
            ("broker.localhost:5672", "broker.localhost"),
            ("*.localhost:5672", "broker.localhost"),
        ] {
            check(&[rule], Some(name), "127.0.0.1:5672", Ok(()));
            check(&[rule], Some(name), "[::1]:5672", Ok(()));
            check(&[rule], Some(name), "[::ffff:127.0.0.1]:5672", Ok(()));
            check(&[rule], Some(name), "10.0.0.1:5672", not_public("private"));
        }
        check(&["*:5672"], Some("localhost"), "127.0.0.1:5672", not_public("loopback"));
        check(&["*.host:5672"], Some("local.host"), "127.0.0.1:5672", not_public("loopback"));
    }

    #[test]
    fn an_address_is_listed_as_an_address() {
        check(&["127.0.0.1:80"], None, "127.0.0.1:80", Ok(()));
        check(&["10.0.0.0/8:*"], None, "10.1.2.3:80", Ok(()));
        check(&["0.0.0.0/0:*"], None, "169.254.169.254:80", Ok(()));
        check(&["*:80"], None, "93.184.215.14:80", Ok(()));
        check(&["*:80"], None, "10.1.2.3:80", not_public("private"));
        check(&["localhost:80"], None, "127.0.0.1:80", Err(Objection::NotListed));
        check(&["example.com:80"], None, "93.184.215.14:80", Err(Objection::NotListed));
        check(&[], None, "93.184.215.14:80", Err(Objection::NotListed));
    }

    /// Only [`Policy::Audit`](crate::config::model::Policy) looks up a name that is not listed.
    #[test]
    fn a_name_that_was_let_through_is_taken_as_listed() {
        check(&[], Some("example.com"), "93.184.215.14:80", Ok(()));
        check(&[], Some("example.com"), "10.1.2.3:80", not_public("private"));
        check(&[], Some("localhost"), "127.0.0.1:80", Ok(()));
    }

    #[test]
    fn the_hosts_own_listeners_are_named_exactly() {
        let address: SocketAddr = "127.0.0.1:80".parse().expect("an address");
        for (rule, expected) in [
            ("127.0.0.1:80", Ok(())),
            ("127.0.0.1/32:80", Ok(())),
            ("127.0.0.1:*", Err(Objection::OwnListener)),
            ("127.0.0.1:80-81", Err(Objection::OwnListener)),
            ("127.0.0.0/8:80", Err(Objection::OwnListener)),
            ("localhost:80", Err(Objection::OwnListener)),
            ("*:80", Err(Objection::OwnListener)),
        ] {
            for name in [None, Some("localhost")] {
                assert_eq!(allow(&[rule]).reach(name, address, true), expected, "{rule} {name:?}");
            }
        }
    }

    #[test]
    fn what_is_spawned_and_which_channels_are_used() {
        let allow = Allow {
            spawn: vec!["worker".into()],
            channels: vec![ChannelRule::parse("other/news").expect("a rule")],
            ..Allow::default()
        };
        assert!(allow.may_spawn("worker") && !allow.may_spawn("work"));
        assert!(allow.may_reach_channel("other", "news"));
        assert!(!allow.may_reach_channel("other", "olds"));
        assert!(!allow.may_reach_channel("another", "news"));
        assert!(!Allow::default().may_reach_channel("other", "news"));
    }
}
