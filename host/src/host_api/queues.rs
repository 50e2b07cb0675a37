//! `queues`: the tenant's, with this instance's pops.

use std::collections::HashMap;
use std::sync::Arc;

use super::HostState;
use super::bindings::{ErrorCode, queues};
use crate::reactor::Address;
use crate::tenant::Tenant;

/// The pops of one instance that wait. They are forgotten with it.
#[derive(Debug, Default)]
pub struct Pops {
    /// Where their items go; known as soon as there is one.
    address: Option<Address>,
    /// Whose queue each is of, and what it is called there.
    queues: HashMap<u32, (Arc<Tenant>, String)>,
}

impl Pops {
    /// Takes a pop off, if it still waits.
    pub fn take(&mut self, pop: u32) -> bool {
        self.queues.remove(&pop).is_some()
    }

    fn cancel(&mut self, pop: u32) {
        let queue = self.queues.remove(&pop);
        if let (Some((tenant, queue)), Some(address)) = (queue, &self.address) {
            tenant.queues.cancel(&queue, address, pop);
        }
    }
}

impl Drop for Pops {
    fn drop(&mut self) {
        let all: Vec<u32> = self.queues.keys().copied().collect();
        for pop in all {
            self.cancel(pop);
        }
    }
}

impl queues::Host for HostState {
    fn push(&mut self, queue: String, item: Vec<u8>) -> Result<(), ErrorCode> {
        let (tenant, queue) = self.grant_channel("queues.push", &queue)?;
        self.check_size(&item)?;
        tenant
            .queues
            .push(queue, item)
            .map_err(|_| self.at_limit("queue", "the queue's or the tenant's"))
    }

    fn pop(&mut self, queue: String) -> Result<u32, ErrorCode> {
        if !self.plugin.exports.has_pops() {
            return Err(ErrorCode::Unsupported);
        }
        let (tenant, queue) = self.grant_channel("queues.pop", &queue)?;
        let address = self.address_while_running()?.clone();
        let max = self.plugin.config.limits.pops;
        if max as usize <= self.pops.queues.len() {
            return Err(self.at_limit("pops", max));
        }
        let id = self.ids.next(|id| self.pops.queues.contains_key(&id));
        tenant
            .queues
            .pop(queue, &address, id)
            .map_err(|_| self.at_limit("channels", tenant.limits.channels))?;
        self.pops.address = Some(address);
        self.pops.queues.insert(id, (tenant, queue.to_owned()));
        Ok(id)
    }

    fn cancel_pop(&mut self, pop: u32) {
        self.pops.cancel(pop);
    }

    fn size(&mut self, queue: String) -> u32 {
        let queue = self.grant_channel("queues.size", &queue);
        let size = queue.map_or(0, |(tenant, name)| tenant.queues.size(name));
        u32::try_from(size).unwrap_or(u32::MAX)
    }

    fn num_waiting(&mut self, queue: String) -> u32 {
        let queue = self.grant_channel("queues.num-waiting", &queue);
        let number = queue.map_or(0, |(tenant, name)| tenant.queues.num_waiting(name));
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}
