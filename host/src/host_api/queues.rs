//! `queues`: queues of the tenant, and this instance's pops.

use crate::config::limits;
use crate::contract::bindings::{ErrorCode, queues};
use crate::contract::export::Export;
use crate::host_api::kept::KeptKind;
use crate::host_api::owned::{Place, Pops};
use crate::host_api::state::HostState;

impl queues::Host for HostState {
    fn push(&mut self, queue: String, item: Vec<u8>) -> Result<(), ErrorCode> {
        let (tenant, queue) = self.grant_channel("queues.push", &queue)?;
        self.check_size(&item)?;
        tenant
            .queues
            .push(queue, item)
            .map_err(|fault| self.push_fault(fault, &limits::QUEUE, "queue", &tenant))
    }

    fn pop(&mut self, queue: String) -> Result<u32, ErrorCode> {
        self.needs("queues.pop", &[Export::Popped])?;
        let (tenant, queue) = self.grant_channel("queues.pop", &queue)?;
        let address = self.address_while_running()?.clone();
        let max = self.plugin.config.limits.pops;
        if max as usize <= self.pops.len() {
            return Err(self.at_limit(&limits::POPS));
        }
        self.keep_one(KeptKind::Pop, Pops::bytes_of(queue))?;
        let id = self.ids.next(|id| self.pops.has(id));
        let place = tenant
            .queues
            .pop(queue, &address, id)
            .map_err(|_| self.at_limit_of(&limits::CHANNELS, tenant.limits().channels))?;
        self.pops.add(id, Place { tenant, name: queue.to_owned(), place });
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
