//! What all reactors and workers of a host share.

use std::sync::Arc;

use crate::deferred::Jobs;
use crate::plugin::Plugin;
use crate::processes::Processes;

/// The one of a host.
#[derive(Debug, Default)]
pub struct Hub {
    /// Every plugin, by index.
    pub plugins: Vec<Arc<Plugin>>,
    /// Every process.
    pub processes: Processes,
    /// Work for the workers.
    pub jobs: Arc<Jobs>,
}

impl Hub {
    /// A hub of these plugins.
    pub fn new(plugins: Vec<Arc<Plugin>>) -> Arc<Hub> {
        Arc::new(Hub { plugins, ..Hub::default() })
    }

    /// The plugin with this name.
    pub fn plugin(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.iter().find(|plugin| plugin.name() == name)
    }
}
