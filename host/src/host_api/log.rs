//! `log`: a plugin's own lines.

use super::HostState;
use super::bindings::{Level, log};
use crate::observe;

impl log::Host for HostState {
    fn log(&mut self, level: Level, message: String) {
        let plugin = &self.plugin;
        observe::guest_line(plugin.name(), level, "log", &message, plugin.config.limits.log_line);
    }
}
