//! `log`: a plugin's own lines.

use super::HostState;
use super::bindings::{Level, log};

impl log::Host for HostState {
    fn log(&mut self, level: Level, message: String) {
        self.plugin.log_line(self.home.clock.now(), level, "log", &message);
    }
}
