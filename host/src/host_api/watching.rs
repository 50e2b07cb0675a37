//! `watching`: changes of files in granted folders.

use crate::config::limits;
use crate::contract::bindings::{WatchError, watching};
use crate::contract::export::Export;
use crate::host_api::command::Command;
use crate::host_api::state::HostState;
use crate::mail::watch::WatchFault;
use crate::quota::host_memory::{self, Admission, WATCH_BYTES};

impl watching::Host for HostState {
    fn watch_file(&mut self, path: String) -> Result<u32, WatchError> {
        self.address_while_running().map_err(|_| WatchError::Denied)?;
        // A missing export is only logged: the contract has no error for it.
        let _ = self.needs("watching.watch-file", &[Export::FileModified]);
        let granted = self.granted_path("watching.watch-file", &path).map_err(WatchFault::from)?;
        let permit = self.permit(&limits::WATCHES, &self.plugin.usage.watches);
        let permit = permit.map_err(|_| WatchError::Limit)?;
        let bytes = WATCH_BYTES.saturating_add(host_memory::length(&path));
        let admission = Admission::of(permit, &self.plugin.tenant.host_memory, bytes);
        let Some(admission) = admission else {
            self.no_host_memory();
            return Err(WatchError::Limit);
        };
        let id = self.ids.next(|id| self.watches.contains(&id));
        self.watches.insert(id);
        self.commands.push(Command::Watch { id, admission, path: granted });
        Ok(id)
    }

    fn unwatch(&mut self, watch: u32) {
        if self.watches.remove(&watch) {
            self.commands.push(Command::Unwatch { id: watch });
        }
    }
}

impl From<WatchFault> for WatchError {
    fn from(fault: WatchFault) -> WatchError {
        match fault {
            WatchFault::Denied => WatchError::Denied,
            WatchFault::NotFound => WatchError::NotFound,
            WatchFault::Unsupported => WatchError::Unsupported,
            WatchFault::Limit => WatchError::Limit,
            WatchFault::Failed => WatchError::Failed,
        }
    }
}
