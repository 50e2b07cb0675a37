//! The names of the contract as they stand in a component, and the exports that a component may leave out.

pub(crate) mod bindings;
pub(crate) mod outcome;
pub(crate) mod socket;

use wasmtime::component::{Component, ComponentExportIndex};

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
/// The interfaces that a plugin may export besides, each with its functions.
pub const OPTIONAL: [(&str, &[&str]); 10] = [
    ("lifecycle", &["prepare", "start", "stopping", "stopped"]),
    ("timers-handler", &["timer-fired"]),
    ("ticks-handler", &["tick"]),
    ("catalog", &["handlers"]),
    ("operations", &["run"]),
    ("deferred-handler", &["completed"]),
    ("mailbox", &["spawned", "notified"]),
    ("processes-handler", &["exited"]),
    ("subscriptions", &["message"]),
    ("queues-handler", &["popped"]),
];
/// The packages of WASI 0.2 that a plugin may import from.
pub const WASI_PACKAGES: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// The full name of an interface of the contract.
pub fn interface(name: &str) -> String {
    format!("{PACKAGE}/{name}@{VERSION}")
}

/// Where the optional exports of one component are.
#[derive(Debug, Clone, Copy)]
pub struct Exports {
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) timer_fired: Option<ComponentExportIndex>,
    pub(super) tick: Option<ComponentExportIndex>,
    pub(super) handlers: Option<ComponentExportIndex>,
    pub(super) run_operation: Option<ComponentExportIndex>,
    pub(super) deferred: Option<ComponentExportIndex>,
    pub(super) mailbox: Option<MailboxExports>,
    pub(super) exited: Option<ComponentExportIndex>,
    pub(super) message: Option<ComponentExportIndex>,
    pub(super) popped: Option<ComponentExportIndex>,
}

/// The functions of `mailbox`.
#[derive(Debug, Clone, Copy)]
pub(super) struct MailboxExports {
    pub(super) spawned: ComponentExportIndex,
    pub(super) notified: ComponentExportIndex,
}

/// The functions of `lifecycle`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifecycle {
    pub(super) prepare: ComponentExportIndex,
    pub(super) start: ComponentExportIndex,
    pub(super) stopping: ComponentExportIndex,
    pub(super) stopped: ComponentExportIndex,
}

impl Exports {
    /// Looks for them in a component.
    pub(super) fn of(component: &Component) -> Exports {
        let find = |name: &str, function: &str| {
            let instance = component.get_export_index(None, &*interface(name))?;
            component.get_export_index(Some(&instance), function)
        };
        let lifecycle = |function| find("lifecycle", function);
        let whole_lifecycle = || {
            Some(Lifecycle {
                prepare: lifecycle("prepare")?,
                start: lifecycle("start")?,
                stopping: lifecycle("stopping")?,
                stopped: lifecycle("stopped")?,
            })
        };
        Exports {
            lifecycle: whole_lifecycle(),
            timer_fired: find("timers-handler", "timer-fired"),
            tick: find("ticks-handler", "tick"),
            handlers: find("catalog", "handlers"),
            run_operation: find("operations", "run"),
            deferred: find("deferred-handler", "completed"),
            mailbox: find("mailbox", "spawned")
                .zip(find("mailbox", "notified"))
                .map(|(spawned, notified)| MailboxExports { spawned, notified }),
            exited: find("processes-handler", "exited"),
            message: find("subscriptions", "message"),
            popped: find("queues-handler", "popped"),
        }
    }

    /// Whether it exports `timers-handler`.
    pub fn has_timers(&self) -> bool {
        self.timer_fired.is_some()
    }

    /// Whether it exports `ticks-handler`.
    pub fn has_ticks(&self) -> bool {
        self.tick.is_some()
    }

    /// Whether it exports `operations` and `deferred-handler`.
    pub fn has_operations(&self) -> bool {
        self.run_operation.is_some() && self.deferred.is_some()
    }

    /// Whether it exports `mailbox`.
    pub fn has_mailbox(&self) -> bool {
        self.mailbox.is_some()
    }

    /// Whether it exports `processes-handler`.
    pub fn has_processes(&self) -> bool {
        self.exited.is_some()
    }

    /// Whether it exports `subscriptions`.
    pub fn has_subscriptions(&self) -> bool {
        self.message.is_some()
    }

    /// Whether it exports `queues-handler`.
    pub fn has_pops(&self) -> bool {
        self.popped.is_some()
    }
}
