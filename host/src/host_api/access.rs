//! Grants: what a guest asks for that its section of `plugins.toml` may or may not allow.

use std::sync::Arc;

use crate::config::names::is_name;
use crate::contract::bindings::ErrorCode;
use crate::host_api::state::HostState;
use crate::log::text::GuestText;
use crate::net::outbound::Target;
use crate::net::outbound::access::AccessRefusal;
use crate::plugin::denial::{Denial, Grant, objection_text};
use crate::plugin::tenant::Tenant;

impl HostState {
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
        let tenant = self.env.host.tenants.iter().find(|known| known.name == tenant);
        // Whether there is such a tenant is not for everybody to know.
        tenant.map(|tenant| (tenant.clone(), name)).ok_or(ErrorCode::Denied)
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

    /// A file is below none of the folders that this plugin sees: whatever the policy, there is nothing to open.
    pub(super) fn deny_file(&self, call: &'static str, path: &GuestText) {
        // Nothing is let through.
        let _ = self.deny(call, Some(path.clone()), None, Grant::Read);
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
