//! What instances of a plugin are made from.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::InstancePre;

use crate::contract::bindings::MinimalIndices;
use crate::host_api::state::HostState;
use crate::plugin::Plugin;

/// A plugin with its compiled and linked component.
pub struct Template {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    pub(super) pre: InstancePre<HostState>,
    pub(super) indices: MinimalIndices,
}

/// The templates of a host, by the index of the plugin.
pub type Templates = Arc<[Arc<Template>]>;

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}
