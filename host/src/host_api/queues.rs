//! `queues`: the tenant's, with this instance's pops.

use std::collections::HashMap;
use std::sync::Arc;

use super::HostState;
use super::bindings::{ErrorCode, queues};
use crate::reactor::Address;
use crate::tenant::{Tenant, is_name};

/// The pops of one instance that wait. They are forgotten with it.
#[derive(Debug, Default)]
pub struct Pops {
    /// Where their items go; known as soon as there is one.
    of: Option<(Arc<Tenant>, Address)>,
    queues: HashMap<u32, String>,
}

impl Pops {
    /// Takes a pop off, if it still waits.
    pub fn take(&mut self, pop: u32) -> bool {
        self.queues.remove(&pop).is_some()
    }

    fn cancel(&mut self, pop: u32) {
        let queue = self.queues.remove(&pop);
        if let (Some(queue), Some((tenant, address))) = (queue, &self.of) {
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
        if !is_name(&queue) {
            return Err(ErrorCode::InvalidArgument);
        }
        self.check_size(&item)?;
        self.plugin.tenant.queues.push(&queue, item).map_err(|_| ErrorCode::Limit)
    }

    fn pop(&mut self, queue: String) -> Result<u32, ErrorCode> {
        if !self.plugin.exports.has_pops() {
            return Err(ErrorCode::Unsupported);
        }
        if !is_name(&queue) {
            return Err(ErrorCode::InvalidArgument);
        }
        let address = self.address_while_running()?.clone();
        if self.plugin.config.limits.pops as usize <= self.pops.queues.len() {
            return Err(ErrorCode::Limit);
        }
        let id = self.ids.next(|id| self.pops.queues.contains_key(&id));
        let tenant = self.plugin.tenant.clone();
        tenant.queues.pop(&queue, &address, id).map_err(|_| ErrorCode::Limit)?;
        self.pops.of = Some((tenant, address));
        self.pops.queues.insert(id, queue);
        Ok(id)
    }

    fn cancel_pop(&mut self, pop: u32) {
        self.pops.cancel(pop);
    }

    fn size(&mut self, queue: String) -> u32 {
        u32::try_from(self.plugin.tenant.queues.size(&queue)).unwrap_or(u32::MAX)
    }

    fn num_waiting(&mut self, queue: String) -> u32 {
        u32::try_from(self.plugin.tenant.queues.num_waiting(&queue)).unwrap_or(u32::MAX)
    }
}
