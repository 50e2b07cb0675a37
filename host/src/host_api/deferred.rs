//! `deferred`: jobs for the workers.

use crate::config::limits;
use crate::contract::bindings::{ErrorCode, deferred};
use crate::contract::export::Export;
use crate::host_api::state::HostState;
use crate::mail::message::Message;
use crate::plugin::jobs::Job;
use crate::quota::host_memory::JOB_BYTES;

impl deferred::Host for HostState {
    fn defer(&mut self, operation: u32, argument: Vec<u8>) -> Result<u32, ErrorCode> {
        self.needs("deferred.defer", &[Export::Run, Export::Completed])?;
        let asker = self.address_while_running()?.clone();
        let argument = self.message("", argument)?;
        let permit = self.permit(&limits::DEFERRED, &self.plugin.usage.deferred)?;
        let of_tenant = self.plugin.tenant.counts.deferred.try_acquire();
        let of_tenant = of_tenant.ok_or_else(|| self.at_limit(&limits::TENANT_DEFERRED))?;
        self.keep(JOB_BYTES)?;
        let id = self.ids.next(|id| self.jobs.has(id));
        let alive = self.jobs.add(id, &self.env.host.jobs, self.plugin.tenant.index);
        self.env.host.jobs.add(Job {
            plugin: self.plugin.clone(),
            operation,
            argument,
            id,
            asker,
            alive,
            permits: [permit, of_tenant],
            fencing: self.fencing,
        });
        Ok(id)
    }
}

impl HostState {
    /// A message for another instance with a name, counted in the tenant's budget only.
    pub(super) fn message(&self, name: &str, data: Vec<u8>) -> Result<Message, ErrorCode> {
        self.check_size(name.as_bytes())?;
        self.check_size(&data)?;
        let message = Message::named(name, data, &self.plugin.tenant.messages, None);
        message.map_err(|_| self.at_limit(&limits::MESSAGES))
    }

    /// Checks the length of a message against the limit `message`.
    pub(super) fn check_size(&self, data: &[u8]) -> Result<(), ErrorCode> {
        let max = self.plugin.config.limits.message;
        let fits = data.len() <= usize::try_from(max).unwrap_or(usize::MAX);
        if fits { Ok(()) } else { Err(self.at_limit(&limits::MESSAGE)) }
    }
}
