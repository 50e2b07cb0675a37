//! The names of the contract as they stand in a component.

pub(crate) mod bindings;
pub(crate) mod export;
pub(crate) mod outcome;
pub(crate) mod socket;

/// The package that every plugin is written against.
pub const PACKAGE: &str = "sandloop:plugin";
/// Its version.
pub const VERSION: &str = "0.1.0";

/// The interfaces that a plugin may import.
pub const IMPORTS: [&str; 10] = [
    "types",
    "sockets",
    "timers",
    "reactor",
    "deferred",
    "processes",
    "channels",
    "queues",
    "log",
    "options",
];
/// The interface that every plugin exports.
pub const HANDLER: &str = "handler";
/// What is in it.
pub const HANDLER_ITEMS: [&str; 7] = [
    "[constructor]connection",
    "[method]connection.post-init",
    "[method]connection.connection-completed",
    "[method]connection.receive-data",
    "[method]connection.drained",
    "[method]connection.unbind",
    "connection",
];
/// The packages of WASI 0.2 that a plugin may import from.
pub const WASI_PACKAGES: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// The full name of an interface of the contract.
pub fn interface(name: &str) -> String {
    format!("{PACKAGE}/{name}@{VERSION}")
}
