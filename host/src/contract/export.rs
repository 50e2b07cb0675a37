//! The functions that a component may export besides `handler`: one table.

use wasmtime::component::{Component, ComponentExportIndex};

use crate::contract::interface;

macro_rules! exports {
    ($($interface:literal { $($name:ident = $function:literal),+ })+) => {
        /// A function that a component may export.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Export {
            $($(
                #[doc = concat!("`", $interface, ".", $function, "`.")]
                $name,
            )+)+
        }

        /// The interfaces that a component may export besides `handler`, each with its functions.
        pub(crate) const OPTIONAL: &[(&str, &[&str])] = &[$(($interface, &[$($function),+])),+];

        impl Export {
            /// All of them, in the order of their declaration.
            pub const ALL: &[Export] = &[$($(Export::$name),+),+];

            /// The interface that it is in.
            pub fn interface(self) -> &'static str {
                match self {
                    $($(Export::$name)|+ => $interface,)+
                }
            }

            /// Its name in that interface.
            fn function(self) -> &'static str {
                match self {
                    $($(Export::$name => $function,)+)+
                }
            }
        }
    };
}

exports! {
    "lifecycle" { Prepare = "prepare", Start = "start", Stopping = "stopping", Stopped = "stopped" }
    "timers-handler" { TimerFired = "timer-fired" }
    "ticks-handler" { Tick = "tick" }
    "catalog" { Handlers = "handlers" }
    "operations" { Run = "run" }
    "deferred-handler" { Completed = "completed" }
    "mailbox" { Spawned = "spawned", Notified = "notified" }
    "processes-handler" { Exited = "exited" }
    "cluster-processes-handler" { ClusterExited = "exited" }
    "subscriptions" { Message = "message" }
    "queues-handler" { Popped = "popped" }
    "proxy-handler" {
        ProxyTargetUnbound = "proxy-target-unbound",
        ProxyCompleted = "proxy-completed"
    }
    "files-handler" { FileSent = "file-sent" }
    "watch-handler" {
        FileModified = "file-modified",
        FileMoved = "file-moved",
        FileDeleted = "file-deleted",
        WatchEnded = "watch-ended"
    }
    "tls-handler" { Secured = "completed", VerifyPeer = "verify-peer" }
    "drain-handler" { Draining = "draining" }
    "handover-handler" { Save = "save", Restore = "restore" }
}

/// Where the optional exports of one component are.
#[derive(Debug)]
pub struct Exports([Option<ComponentExportIndex>; Export::ALL.len()]);

impl Exports {
    /// Looks for them in a component.
    pub fn of(component: &Component) -> Exports {
        let mut found = [None; Export::ALL.len()];
        for (place, export) in found.iter_mut().zip(Export::ALL) {
            let instance = component.get_export_index(None, &*interface(export.interface()));
            *place =
                instance.and_then(|it| component.get_export_index(Some(&it), export.function()));
        }
        Exports(found)
    }

    /// Where this one is; none when the component has left it out.
    pub fn get(&self, export: Export) -> Option<ComponentExportIndex> {
        self.0[export as usize]
    }

    /// Whether the component has it.
    pub fn has(&self, export: Export) -> bool {
        self.get(export).is_some()
    }

    /// Whether the component is told of TLS, and judges certificates.
    pub fn has_tls_handler(&self) -> bool {
        self.has(Export::Secured) && self.has(Export::VerifyPeer)
    }

    /// Whether the component hands its state to its next version, and takes that of the one before.
    pub fn has_handover_handler(&self) -> bool {
        self.has(Export::Save) && self.has(Export::Restore)
    }

    /// Whether the component has operations, and is told what came of them.
    pub fn has_operations(&self) -> bool {
        self.has(Export::Run) && self.has(Export::Completed)
    }
}
