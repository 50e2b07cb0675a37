//! `cluster-processes`: sandboxes that a plugin spawns on any host of the cluster.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cluster::processes::offers::Choice;
use crate::cluster::processes::{ClusterSpawn, NotSent, NotSpawned, ProcessLink};
use crate::config::limits;
use crate::config::names::is_section_name;
use crate::contract::bindings::{ClusterProcess, ErrorCode, Placement, cluster_processes};
use crate::contract::export::Export;
use crate::host_api::state::HostState;
use crate::mail::cluster_process::{ChildAdmission, ClusterPid};
use crate::mail::relay::NoRelay;
use crate::quota::host_memory::PROCESS_BYTES;

/// The calls' names in the contract.
const SPAWN: &str = "cluster-processes.spawn";
const NOTIFY: &str = "cluster-processes.notify";

impl cluster_processes::Host for HostState {
    fn spawn(
        &mut self,
        plugin: Option<String>,
        name: String,
        argument: Vec<u8>,
        placement: Placement,
    ) -> Result<ClusterProcess, ErrorCode> {
        self.needs(SPAWN, &[Export::ClusterExited])?;
        let link = self.process_link(SPAWN)?;
        let address = self.address_while_running()?.clone();
        if self.env.ending.load(Ordering::Relaxed) {
            return Err(ErrorCode::Denied);
        }
        let plugin = plugin.unwrap_or_else(|| self.plugin.name().to_owned());
        if !is_section_name(&plugin) {
            return Err(ErrorCode::InvalidArgument);
        }
        self.grant_spawn(SPAWN, &plugin)?;
        self.check_size(name.as_bytes())?;
        self.check_size(&argument)?;
        let choice = match &placement {
            Placement::LeastLoaded => Choice::LeastLoaded,
            Placement::Key(key) => Choice::Key(key),
        };
        let host = link.place(&plugin, choice).ok_or(ErrorCode::InvalidArgument)?;
        let admission = self.admit_child(link.is_own(host))?;
        let parent = self.plugin.name().to_owned();
        let spawn = ClusterSpawn { parent, address, plugin, name, argument, admission };
        let pid = link.spawn(host, spawn).map_err(|fault| match fault {
            // The limit is logged.
            NotSpawned::NoPlace => ErrorCode::Limit,
            NotSpawned::NotRelayed(fault) => self.not_relayed(fault),
        })?;
        self.cluster_children.add(pid.number, &link);
        self.fill(Some(self.plugin.tenant.cluster_outbox.clone()));
        Ok(pid.into())
    }

    fn notify(&mut self, process: ClusterProcess, message: Vec<u8>) -> Result<(), ErrorCode> {
        self.check_size(&message)?;
        let link = self.process_link(NOTIFY)?;
        let pid = ClusterPid::from(process);
        let sent = link.notify(pid, message, self.plugin.tenant.index);
        let budget = sent.map_err(|fault| match fault {
            NotSent::Gone => ErrorCode::Closed,
            NotSent::Full => self.at_limit_of(&limits::MAILBOX, "the process's or the tenant's"),
            NotSent::NotRelayed(fault) => self.not_relayed(fault),
        })?;
        self.fill(Some(budget));
        Ok(())
    }

    fn kill(&mut self, process: ClusterProcess) {
        let pid = ClusterPid::from(process);
        if self.cluster_children.has(pid.number)
            && let Some(link) = &self.plugin.tenant.process_link
        {
            link.kill(pid.number);
        }
    }

    fn current(&mut self) -> Option<ClusterProcess> {
        self.cluster_pid.map(ClusterProcess::from)
    }
}

impl HostState {
    /// The way of its tenant to processes of the cluster.
    fn process_link(&self, call: &'static str) -> Result<Arc<ProcessLink>, ErrorCode> {
        self.plugin.tenant.process_link.clone().ok_or_else(|| {
            self.plugin.lacks_cluster(self.env.clock.now(), call);
            ErrorCode::Unsupported
        })
    }

    /// What a process takes of this plugin. One on this host has a permit of its own plugin.
    fn admit_child(&self, is_here: bool) -> Result<ChildAdmission, ErrorCode> {
        let permit =
            (!is_here).then(|| self.permit(&limits::PROCESSES, &self.plugin.usage.far_processes));
        let kept = self.plugin.tenant.host_memory.reserve(PROCESS_BYTES);
        let kept = kept.ok_or_else(|| self.no_host_memory())?;
        Ok(ChildAdmission::new(permit.transpose()?, kept))
    }

    /// Reports a message that was refused on its way to another host.
    pub(super) fn not_relayed(&self, fault: NoRelay) -> ErrorCode {
        match fault {
            NoRelay::Full => {
                let max = self.plugin.tenant.limits().cluster_outbox;
                self.at_limit_of(&limits::CLUSTER_OUTBOX, limits::CLUSTER_OUTBOX.show(max))
            }
            NoRelay::TooLarge(longest) => self
                .at_limit_of(&limits::MESSAGE, format_args!("{longest} bytes, by the NATS server")),
        }
    }
}
