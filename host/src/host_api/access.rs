//! Access control: calls that need a grant in the plugin's section of `plugins.toml`.

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
    /// Checks that the component has the exports by which the results of a call are delivered. `call` is the call's name in the
    /// contract.
    pub(super) fn needs(&self, call: &'static str, exports: &[Export]) -> Result<(), ErrorCode> {
        let now = self.env.clock.now();
        let has_all = self.plugin.has_all(now, call, exports, || self.subject_names());
        if has_all { Ok(()) } else { Err(ErrorCode::Unsupported) }
    }

    /// Checks that this plugin may stop the host.
    pub(super) fn grant_stop(&self) -> Result<(), ErrorCode> {
        if self.plugin.config.allow.stop {
            return Ok(());
        }
        self.deny("reactor.stop", None, None, Grant::Stop)
    }

    /// Checks that this plugin may spawn processes of `other`. `call` is the call's name in the contract.
    pub(super) fn grant_spawn(&self, call: &'static str, other: &str) -> Result<(), ErrorCode> {
        if other == self.plugin.name() || self.plugin.config.allow.may_spawn(other) {
            return Ok(());
        }
        self.deny(call, Some(GuestText::name(other)), None, Grant::Spawn(other))
    }

    /// Resolves the name of a channel or queue to its tenant and the name there: a plain name is the plugin's own tenant's,
    /// `/other/name` is another's. `call` is the call's name in the contract: `channels.push`.
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
        // The same error as for a missing grant, so that plugins cannot probe for the names of tenants.
        tenant.map(|tenant| (tenant, name)).ok_or(ErrorCode::Denied)
    }

    /// Checks that this plugin may connect to `target`.
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

    /// Resolves a path below a granted folder. Any other path is logged as a denial and refused under every policy, since there
    /// is no folder to open it in. `call` is the call's name in the contract.
    pub(super) fn granted_path(
        &self,
        call: &'static str,
        path: &str,
    ) -> Result<GrantedPath, FileFault> {
        if PATH_MAX < path.len() {
            return Err(FileFault::NotFound);
        }
        self.plugin.granted.find(path).ok_or_else(|| {
            // Refused even if the policy only audits.
            let _ = self.deny(call, Some(GuestText::name(path)), None, Grant::Read);
            FileFault::Denied
        })
    }

    /// Checks that this plugin may bind a socket to `place`. `call` is the call's name in the contract.
    pub(super) fn grant_listen(
        &self,
        call: &'static str,
        place: &ListenPlace,
    ) -> Result<(), ErrorCode> {
        if self.plugin.config.allow.may_listen(place) {
            return Ok(());
        }
        let text = place.to_string();
        // A path may contain pattern characters: the rule that the log proposes must not grant more than was asked for.
        let is_rule = ListenRule::parse(&text).is_ok_and(|rule| rule.lists(place));
        let rule = (is_rule && text.chars().all(is_harmless)).then_some(&*text);
        self.deny(call, Some(GuestText::name(place)), None, Grant::Listen(rule))
    }

    /// Denies a datagram to an address that `allow.connect` does not list, unless the policy only audits.
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

    /// Denies an answer to the last sender beyond the bytes with which it may be answered. Returns the connection and the sender
    /// if the policy only audits.
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

    /// Logs which TLS profile, or which key of it, is missing.
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

    /// Counts and logs a denial; the policy decides whether the call is refused.
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
