//! `log`: a plugin's own lines.

use crate::contract::bindings::{Level, log};
use crate::host_api::state::HostState;

impl log::Host for HostState {
    fn log(&mut self, level: Level, message: String) {
        self.plugin.log_line(self.env.clock.now(), level, "log", &message);
    }
}
