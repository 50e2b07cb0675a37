//! Access control that only the reactor can decide: the addresses of a name, and a path that may have changed since the
//! call.

use std::collections::VecDeque;

use crate::base::arena::ConnectionId;
use crate::config::model::Policy;
use crate::log::text::GuestText;
use crate::net::outbound::access::AccessRefusal;
use crate::net::outbound::{Attempt, Target};
use crate::plugin::Plugin;
use crate::plugin::denial::{Denial, Grant};
use crate::plugin::subject::Subject;
use crate::reactor::Reactor;

impl Reactor {
    /// The addresses of a name that the plugin may connect to.
    pub(super) fn granted(
        &self,
        id: ConnectionId,
        target: &Target,
        addresses: VecDeque<Attempt>,
    ) -> VecDeque<Attempt> {
        let Some(plugin) = self.plugin_of(id) else { return addresses };
        let own = &self.setup.env.host.own_listeners;
        let check = |attempt: &Attempt| target.check_attempt(attempt, &plugin.config.allow, own);
        let refusals: Vec<AccessRefusal> =
            addresses.iter().filter_map(|it| check(it).err()).collect();
        // One log line for each connect, however many addresses a name server returns.
        let Some(first) = refusals.first() else { return addresses };
        if self.denied(id, target, first, refusals.len() - 1) {
            return addresses;
        }
        addresses.into_iter().filter(|attempt| check(attempt).is_ok()).collect()
    }

    /// Whether a path that was granted during the call still is.
    pub(super) fn is_still_granted(&self, id: ConnectionId, target: &Target) -> bool {
        let Some(plugin) = self.plugin_of(id) else { return false };
        let own = &self.setup.env.host.own_listeners;
        // Audit mode has already logged it.
        plugin.config.policy == Policy::Audit
            || match target.check(&plugin.config.allow, own) {
                Ok(()) => true,
                Err(refusal) => self.denied(id, target, &refusal, 0),
            }
    }

    /// Logs a denial; true if the policy only audits.
    fn denied(
        &self,
        id: ConnectionId,
        target: &Target,
        refusal: &AccessRefusal,
        others: usize,
    ) -> bool {
        let (Some(entry), Some(plugin)) = (self.connections.get(id), self.plugin_of(id)) else {
            return false;
        };
        let found = refusal.address.map(|address| match others {
            0 => format!("it is {address}: "),
            _ => format!("it is {address}, among others that are not granted: "),
        });
        let cause = crate::plugin::denial::objection_text(refusal.objection)
            .map(|text| format!("{}{text}", found.unwrap_or_default()));
        let connection = entry.shared.lock();
        let (number, handler) = (connection.number, connection.handler.clone());
        drop(connection);
        plugin.deny(
            self.setup.env.clock.now(),
            &Denial {
                call: "sockets.connect",
                target: Some(GuestText::name(target)),
                cause,
                grant: Grant::Connect(refusal.rule.as_deref()),
                subject: Some(Subject { connection: number, handler }),
            },
        )
    }

    fn plugin_of(&self, id: ConnectionId) -> Option<&Plugin> {
        let entry = self.connections.get(id)?;
        Some(&self.instances.get(entry.instance)?.plugin)
    }
}
