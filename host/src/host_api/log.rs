//! `log`: a plugin's own lines.

use crate::contract::bindings::{Level, log};
use crate::host_api::state::HostState;

impl log::Host for HostState {
    fn log(&mut self, level: Level, message: String) {
        self.plugin.lines(self.env.clock.now(), level, "log").add(message.as_bytes(), false);
    }
}
