//! `log`: log lines of a plugin.

use crate::contract::bindings::{Level, log};
use crate::host_api::state::HostState;

impl log::Host for HostState {
    fn log(&mut self, level: Level, message: String) {
        let (now, plugin) = (self.env.clock.now(), self.plugin.clone());
        let output = self.output();
        plugin.lines(now, level, "log", output.subject()).add(message.as_bytes(), false);
        output.note_line(&plugin, message.as_bytes());
    }
}
