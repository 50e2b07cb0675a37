//! `reactor`: stop and ticks.

use crate::config::limits;
use crate::contract::bindings::{ErrorCode, reactor};
use crate::contract::export::Export;
use crate::host_api::command::Command;
use crate::host_api::kept::KeptKind;
use crate::host_api::state::HostState;
use crate::quota::host_memory::TICK_BYTES;

impl reactor::Host for HostState {
    fn stop(&mut self) -> Result<(), ErrorCode> {
        self.grant_stop()?;
        self.commands.push(Command::Stop);
        Ok(())
    }

    fn is_running(&mut self) -> bool {
        self.running
    }

    fn next_tick(&mut self) -> Result<u32, ErrorCode> {
        self.needs("reactor.next-tick", &[Export::Tick])?;
        if !self.running {
            return Err(ErrorCode::Denied);
        }
        let max = self.plugin.config.limits.ticks;
        if max <= self.ticks {
            return Err(self.at_limit(&limits::TICKS));
        }
        self.keep_one(KeptKind::Tick, TICK_BYTES)?;
        self.ticks += 1;
        self.next_tick = self.next_tick.wrapping_add(1);
        self.commands.push(Command::Tick { id: self.next_tick });
        Ok(self.next_tick)
    }
}
