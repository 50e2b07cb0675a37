//! Grants: what a guest asks for that its section of `plugins.toml` may or may not allow.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::arena::ConnectionId;
use crate::config::limits;
use crate::config::listen_rule::{ListenPlace, ListenRule};
use crate::config::names::{is_name, is_section_name};
use crate::contract::bindings::ErrorCode;
use crate::contract::export::Export;
use crate::host_api::state::HostState;
use crate::log::text::{GuestText, is_harmless};
use crate::net::connection::SharedConnection;
use crate::net::connection::files::FileFault;
use crate::net::connection::stream::SocketAddress;
use crate::net::outbound::Target;
use crate::net::outbound::access::AccessRefusal;
use crate::plugin::denial::{Denial, Grant, objection_text};
use crate::plugin::granted::{GrantedPath, PATH_MAX};
use crate::plugin::tenant::Tenant;
use crate::plugin::tls::ProfileRefusal;

impl HostState {
    /// Whether the component has the exports that a call needs, to be told what comes of it. `call` is as the contract names it.
    pub(super) fn needs(&self, call: &'static str, exports: &[Export]) -> Result<(), ErrorCode> {
        let now = self.env.clock.now();
        let has_all = self.plugin.has_all(now, call, exports, || self.subject_names());
        if has_all { Ok(()) } else { Err(ErrorCode::Unsupported) }
    }

    /// Whether this plugin may stop the host.
    pub(super) fn grant_stop(&self) -> Result<(), ErrorCode> {
        if self.plugin.config.allow.stop {
            return Ok(());
        }
        self.deny("reactor.stop", None, None, Grant::Stop)
    }

    /// Whether this plugin may make processes of `other`.
    pub(super) fn grant_spawn(&self, other: &str) -> Result<(), ErrorCode> {
        if other == self.plugin.name() || self.plugin.config.allow.may_spawn(other) {
            return Ok(());
        }
        self.deny("processes.spawn", Some(GuestText::name(other)), None, Grant::Spawn(other))
    }

    /// Whose channel or queue a name means, and what it is called there: a plain name is the plugin's own tenant's,
    /// `/other/name` is another's. `call` is as the contract names it: `channels.push`.
    pub(super) fn grant_channel<'a>(
        &self,
        call: &'static str,
        name: &'a str,
    ) -> Result<(Arc<Tenant>, &'a str), ErrorCode> {
        if !is_name(name) {
            return Err(ErrorCode::InvalidArgument);
        }
        let own = &self.plugin.tenant;
        let Some(absolute) = name.strip_prefix('/') else { return Ok((own.clone(), name)) };
        let parts = absolute.split_once('/').filter(|(tenant, _)| !tenant.is_empty());
        let (tenant, name) =
            parts.filter(|(_, name)| is_name(name)).ok_or(ErrorCode::InvalidArgument)?;
        if tenant != own.name && !self.plugin.config.allow.may_reach_channel(tenant, name) {
            self.deny(call, Some(GuestText::name(absolute)), None, Grant::Channels(absolute))?;
        }
        let tenant = self.env.host.roster().tenant_named(tenant).cloned();
        // Whether there is such a tenant is not for everybody to know.
        tenant.map(|tenant| (tenant, name)).ok_or(ErrorCode::Denied)
    }

    /// Whether this plugin may connect to `target`.
    pub(super) fn grant_connect(&self, target: &Target) -> Result<(), ErrorCode> {
        let own = &self.env.host.own_listeners;
        let Err(refusal) = target.check(&self.plugin.config.allow, own) else { return Ok(()) };
        let AccessRefusal { objection, rule, .. } = refusal;
        let grant = Grant::Connect(rule.as_deref());
        self.deny(
            "sockets.connect",
            Some(GuestText::name(target)),
            objection_text(objection),
            grant,
        )
    }

    /// A path below a folder that this plugin sees. Of any other the operator is told: whatever the policy, there is nothing to
    /// open. `call` is as the contract names it.
    pub(super) fn granted_path(
        &self,
        call: &'static str,
        path: &str,
    ) -> Result<GrantedPath, FileFault> {
        if PATH_MAX < path.len() {
            return Err(FileFault::NotFound);
        }
        self.plugin.granted.find(path).ok_or_else(|| {
            // Nothing is let through.
            let _ = self.deny(call, Some(GuestText::name(path)), None, Grant::Read);
            FileFault::Denied
        })
    }

    /// Whether this plugin may have a socket at `place`. `call` is as the contract names it.
    pub(super) fn grant_listen(
        &self,
        call: &'static str,
        place: &ListenPlace,
    ) -> Result<(), ErrorCode> {
        if self.plugin.config.allow.may_listen(place) {
            return Ok(());
        }
        let text = place.to_string();
        // A path may have letters that no rule has, and a plugin must not talk its operator into more than it asked for.
        let is_rule = ListenRule::parse(&text).is_ok_and(|rule| rule.lists(place));
        let rule = (is_rule && text.chars().all(is_harmless)).then_some(&*text);
        self.deny(call, Some(GuestText::name(place)), None, Grant::Listen(rule))
    }

    /// Whether this plugin may send a datagram to an address that `allow.connect` does not list: tells the operator.
    pub(super) fn grant_datagram(&self, to: SocketAddr) -> Result<(), ErrorCode> {
        let is_own = self.env.host.own_listeners.take_datagrams_at(to);
        let Err(objection) = self.plugin.config.allow.reach(None, to, is_own) else {
            return Ok(());
        };
        let rule = SocketAddr::new(to.ip().to_canonical(), to.port()).to_string();
        self.deny(
            "datagrams.send-datagram",
            Some(GuestText::name(to)),
            objection_text(objection),
            Grant::Connect(Some(&rule)),
        )
    }

    /// The sender of the last datagram has been answered with as much as he may be: tells the operator. The connection and who
    /// he is, where the policy lets more through.
    pub(super) fn let_answer_through(
        &self,
        id: ConnectionId,
    ) -> Option<(SharedConnection, SocketAddr)> {
        self.at_limit(&limits::DATAGRAM_ANSWERS);
        let connection = self.sockets.of(id)?.clone();
        let Some(SocketAddress::Tcp(peer)) = connection.lock().peer() else { return None };
        self.grant_datagram(peer).ok()?;
        Some((connection, peer))
    }

    /// Tells the operator which profile, or what of it, is not there.
    pub(super) fn deny_profile(&self, profile: &str, refusal: ProfileRefusal) -> ErrorCode {
        let line = match refusal {
            ProfileRefusal::Unknown | ProfileRefusal::NoCertificate => {
                "`certificate = \"server.pem\"` and `key = \"server.key\"`, or for a client `server_ca = \"authority.pem\"`,"
            }
            ProfileRefusal::HostDecides => "`verify = \"plugin\"`",
        };
        let shown = if is_section_name(profile) { profile } else { "<profile>" };
        let grant = Grant::Profile(shown, line);
        match self.deny("tls.start-tls", Some(GuestText::name(profile)), None, grant) {
            Ok(()) | Err(_) => ErrorCode::Denied,
        }
    }

    /// Counts and logs what was not granted; the policy decides whether it is refused.
    fn deny(
        &self,
        call: &'static str,
        target: Option<GuestText>,
        cause: Option<String>,
        grant: Grant<'_>,
    ) -> Result<(), ErrorCode> {
        let subject = self.subject_names();
        let denial = Denial { call, target, cause, grant, subject };
        if self.plugin.deny(self.env.clock.now(), &denial) {
            Ok(())
        } else {
            Err(ErrorCode::Denied)
        }
    }
}
