//! `processes`: sandboxes of a plugin's own making.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wasmtime::component::{ComponentType, Lower};

use super::bindings::{ErrorCode, processes};
use super::{Command, HostState};
use crate::plugin::Plugin;
use crate::processes::{Process, Undelivered};

/// `processes-handler.exit-reason`: why a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum ExitReason {
    /// It called `exit`.
    #[component(name = "finished")]
    Finished,
    /// The instance that spawned it called `kill`, or has ended.
    #[component(name = "killed")]
    Killed,
    /// It trapped or ran past a limit.
    #[component(name = "trapped")]
    Trapped,
    /// No instance could be made for it.
    #[component(name = "unavailable")]
    Unavailable,
}

impl processes::Host for HostState {
    fn spawn(
        &mut self,
        plugin: Option<String>,
        name: String,
        argument: Vec<u8>,
    ) -> Result<u32, ErrorCode> {
        if !self.plugin.exports.has_processes() {
            return Err(ErrorCode::Unsupported);
        }
        let post = self.address_while_running()?.post.clone();
        if self.home.stopping.load(Ordering::Relaxed) {
            return Err(ErrorCode::Denied);
        }
        let plugin = match plugin {
            Some(other) if other != self.plugin.name() => self.permitted(&other)?,
            _ => self.plugin.clone(),
        };
        if !plugin.exports.has_mailbox() {
            return Err(ErrorCode::Unsupported);
        }
        self.check_size(name.as_bytes())?;
        let argument = self.message(argument)?;
        let permit = plugin.usage.processes.take(plugin.config.limits.processes);
        let permit =
            permit.ok_or_else(|| self.at_limit("processes", plugin.config.limits.processes))?;
        let bytes_max = plugin.config.limits.mailbox;
        let (hub, parent) = (&self.home.hub, self.plugin.tenant.index);
        let process = Process::new(hub, &plugin.tenant, parent, post, bytes_max, permit);
        let id = process.id();
        self.commands.push(Command::Spawn { process, plugin: plugin.index, name, argument });
        Ok(id)
    }

    fn notify(&mut self, process: u32, message: Vec<u8>) -> Result<(), ErrorCode> {
        self.check_size(&message)?;
        let tenant = &self.plugin.tenant;
        let notified = self.home.hub.processes.notify(process, message, tenant);
        let meter = notified.map_err(|error| match error {
            Undelivered::Gone => ErrorCode::Closed,
            Undelivered::Full => self.at_limit("mailbox", "the process's or the tenant's"),
        })?;
        self.fill(Some(meter));
        Ok(())
    }

    fn kill(&mut self, process: u32) {
        // Whose it is the reactor knows; what is not there need not be asked for.
        if self.address.is_some() && self.home.hub.processes.has(process) {
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
    /// Another plugin that this one may spawn.
    fn permitted(&self, other: &str) -> Result<Arc<Plugin>, ErrorCode> {
        let Some(plugin) = self.home.hub.plugin(other) else {
            return Err(ErrorCode::InvalidArgument);
        };
        self.grant_spawn(other)?;
        Ok(plugin.clone())
    }
}
