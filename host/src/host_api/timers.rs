//! `timers`: ids are assigned here; the reactor keeps the deadlines.

use std::time::Duration;

use crate::config::limits;
use crate::contract::bindings::{ErrorCode, timers};
use crate::contract::export::Export;
use crate::host_api::command::Command;
use crate::host_api::kept::KeptKind;
use crate::host_api::state::HostState;
use crate::quota::host_memory::TIMER_BYTES;

impl timers::Host for HostState {
    fn add_timer(&mut self, milliseconds: u32) -> Result<u32, ErrorCode> {
        self.set_timer("timers.add-timer", milliseconds, false)
    }

    fn add_periodic_timer(&mut self, milliseconds: u32) -> Result<u32, ErrorCode> {
        if milliseconds == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        self.set_timer("timers.add-periodic-timer", milliseconds, true)
    }

    fn cancel_timer(&mut self, id: u32) {
        if self.timers.remove(&id) {
            self.commands.push(Command::CancelTimer { id });
        }
    }
}

impl HostState {
    fn set_timer(
        &mut self,
        call: &'static str,
        milliseconds: u32,
        periodic: bool,
    ) -> Result<u32, ErrorCode> {
        self.needs(call, &[Export::TimerFired])?;
        if !self.running {
            return Err(ErrorCode::Denied);
        }
        let max = self.plugin.config.limits.timers;
        if max as usize <= self.timers.len() {
            return Err(self.at_limit(&limits::TIMERS));
        }
        self.keep_one(KeptKind::Timer, TIMER_BYTES)?;
        let id = self.ids.next(|id| self.timers.contains(&id));
        self.timers.insert(id);
        let after = Duration::from_millis(milliseconds.into());
        // Zero means the next turn, not the next millisecond.
        let deadline = match milliseconds {
            0 => self.env.clock.turn(),
            _ => (self.env.clock.now() + after).on_grid(),
        };
        self.commands.push(Command::SetTimer { id, deadline, every: periodic.then_some(after) });
        Ok(id)
    }
}
