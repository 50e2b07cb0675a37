//! `processes`: sandboxes that a plugin spawns.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::limits;
use crate::contract::bindings::{ErrorCode, processes};
use crate::contract::export::Export;
use crate::host_api::command::Command;
use crate::host_api::state::HostState;
use crate::mail::mailboxes::{Process, Undelivered};
use crate::plugin::Plugin;
use crate::quota::host_memory::{Admission, PROCESS_BYTES};

/// The call's name in the contract.
const SPAWN: &str = "processes.spawn";

impl processes::Host for HostState {
    fn spawn(
        &mut self,
        plugin: Option<String>,
        name: String,
        argument: Vec<u8>,
    ) -> Result<u32, ErrorCode> {
        self.needs(SPAWN, &[Export::Exited])?;
        let post = self.address_while_running()?.post.clone();
        if self.env.ending.load(Ordering::Relaxed) {
            return Err(ErrorCode::Denied);
        }
        let plugin = match plugin {
            Some(other) if other != self.plugin.name() => self.permitted(&other)?,
            _ => self.plugin.clone(),
        };
        // The spawned plugin needs the export, which may be another one.
        if !plugin.has_all(self.env.clock.now(), SPAWN, &[Export::Spawned], || None) {
            return Err(ErrorCode::Unsupported);
        }
        let argument = self.message(&name, argument)?;
        let permit = self.permit(&limits::PROCESSES, &plugin.usage.processes)?;
        let memory = &plugin.tenant.host_memory;
        let admission = Admission::of(permit, memory, PROCESS_BYTES);
        let admission = admission.ok_or_else(|| self.no_host_memory())?;
        let bytes_max = plugin.config.limits.mailbox;
        let (table, parent) = (&self.env.host.processes, self.plugin.tenant.index);
        let process =
            Process::new(table, &plugin.tenant.mail(), parent, post, bytes_max, admission);
        let id = process.id();
        self.commands.push(Command::Spawn { process, plugin: plugin.index, name, argument });
        Ok(id)
    }

    fn notify(&mut self, process: u32, message: Vec<u8>) -> Result<(), ErrorCode> {
        self.check_size(&message)?;
        let tenant = self.plugin.tenant.index;
        let notified = self.env.host.processes.notify(process, message, tenant);
        let budget = notified.map_err(|error| match error {
            Undelivered::Gone => ErrorCode::Closed,
            Undelivered::Full => {
                self.at_limit_of(&limits::MAILBOX, "the process's or the tenant's")
            }
        })?;
        self.fill(Some(budget));
        Ok(())
    }

    fn kill(&mut self, process: u32) {
        // The reactor checks whose process it is; only one that exists is worth a command.
        if self.address.is_some() && self.env.host.processes.has(process) {
            self.commands.push(Command::Kill { process });
        }
    }

    fn exit(&mut self) {
        if self.is_process {
            self.commands.push(Command::Exit);
        }
    }
}

impl HostState {
    /// Another plugin of which this one may spawn processes.
    fn permitted(&self, other: &str) -> Result<Arc<Plugin>, ErrorCode> {
        let Some(plugin) = self.env.host.plugin(other) else {
            return Err(ErrorCode::InvalidArgument);
        };
        self.grant_spawn(SPAWN, other)?;
        Ok(plugin.clone())
    }
}
