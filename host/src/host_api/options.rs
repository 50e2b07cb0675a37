//! `options`: the options that the operator has configured for the plugin.

use crate::contract::bindings::options;
use crate::host_api::state::HostState;

impl options::Host for HostState {
    fn get(&mut self, key: String) -> Option<String> {
        let options = &self.plugin.config.options;
        options.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    fn all(&mut self) -> Vec<(String, String)> {
        self.plugin.config.options.clone()
    }
}
