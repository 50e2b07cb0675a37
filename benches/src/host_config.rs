//! The `plugins.toml` of the measured host: every key that a bench depends on is in this file.

use std::path::Path;

/// The isolation of the measured plugin.
#[derive(Debug, Clone, Copy)]
pub enum Isolation {
    /// One sandbox for all connections.
    Plugin,
    /// One sandbox for each connection.
    Connection,
}

/// The configuration: one reactor, one listener on a port of the kernel's choice, and all the rest
/// as a user gets it. `room` is for the idle mode, which holds more connections than the defaults
/// let in.
pub fn plugins_toml(component: &Path, isolation: Isolation, room: Option<usize>) -> String {
    let isolation = match isolation {
        Isolation::Plugin => "plugin",
        Isolation::Connection => "connection",
    };
    let (instances, limits) = match room {
        None => (String::new(), String::new()),
        Some(room) => (
            format!("instances = {room}\n"),
            // Each begins with little more than a mebibyte.
            format!(
                "[plugins.echo.limits]\nconnections = {room}\n\n[tenants.echo.limits]\nmemory = \"{}MiB\"\n",
                2 * room
            ),
        ),
    };
    let component = component.display();
    format!(
        "[host]\n\
         reactors = 1\n\
         {instances}\n\
         [plugins.echo]\n\
         component = \"{component}\"\n\
         isolation = \"{isolation}\"\n\
         {limits}\n\
         [[listen]]\n\
         address = \"tcp://127.0.0.1:0\"\n\
         plugin = \"echo\"\n"
    )
}
