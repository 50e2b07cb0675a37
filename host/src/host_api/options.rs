//! `options`: the options that the operator has configured for the plugin, and what the host says to a singleton beside them.

use crate::config::cluster::FENCING;
use crate::contract::bindings::options;
use crate::host_api::state::HostState;

impl options::Host for HostState {
    fn get(&mut self, key: String) -> Option<String> {
        let options = &self.plugin.config.options;
        let written = options.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
        written.or_else(|| self.fencing().filter(|_| key == FENCING))
    }

    fn all(&mut self) -> Vec<(String, String)> {
        let mut all = self.plugin.config.options.clone();
        all.extend(self.fencing().map(|number| (FENCING.to_owned(), number)));
        all
    }
}

impl HostState {
    fn fencing(&self) -> Option<String> {
        self.fencing.map(|number| number.to_string())
    }
}
