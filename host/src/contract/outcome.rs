//! How deferred work, processes and connections end, as the contract has it.

use wasmtime::component::{ComponentType, Lift, Lower};

/// `deferred-handler.failure`: why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(variant)]
pub enum Failure {
    /// The operation returned this error.
    #[component(name = "failed")]
    Failed(String),
    /// It trapped.
    #[component(name = "trapped")]
    Trapped,
    /// It used up its CPU time or its time.
    #[component(name = "too-long")]
    TooLong,
    /// The result is too large, or there is no room for it.
    #[component(name = "too-large")]
    TooLarge,
    /// No instance could be made for it.
    #[component(name = "unavailable")]
    Unavailable,
}

/// `processes-handler.exit-reason`: why a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum ExitReason {
    /// It called `exit`.
    #[component(name = "finished")]
    Finished,
    /// The instance that spawned it called `kill`, or has ended.
    #[component(name = "killed")]
    Killed,
    /// It trapped or ran past a limit.
    #[component(name = "trapped")]
    Trapped,
    /// No instance could be made for it.
    #[component(name = "unavailable")]
    Unavailable,
}

/// `cluster-processes-handler.exit-reason`: why a process has ended that was spawned in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum ClusterExit {
    /// It called `exit`.
    #[component(name = "finished")]
    Finished,
    /// It was ended by its parent or by its host.
    #[component(name = "killed")]
    Killed,
    /// It trapped or ran past a limit.
    #[component(name = "trapped")]
    Trapped,
    /// No instance was made for it.
    #[component(name = "unavailable")]
    Unavailable,
    /// Its host has stopped, or is not heard any more.
    #[component(name = "host-lost")]
    HostLost,
}

impl ClusterExit {
    /// Every one with its name, in the order of their numbers.
    pub const ALL: [(ClusterExit, &'static str); 5] = [
        (ClusterExit::Finished, "finished"),
        (ClusterExit::Killed, "killed"),
        (ClusterExit::Trapped, "trapped"),
        (ClusterExit::Unavailable, "unavailable"),
        (ClusterExit::HostLost, "host-lost"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        ClusterExit::ALL[self as usize].1
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<ClusterExit> {
        ClusterExit::ALL.iter().find(|(_, known)| *known == name).map(|(exit, _)| *exit)
    }
}

impl From<ExitReason> for ClusterExit {
    fn from(reason: ExitReason) -> ClusterExit {
        match reason {
            ExitReason::Finished => ClusterExit::Finished,
            ExitReason::Killed => ClusterExit::Killed,
            ExitReason::Trapped => ClusterExit::Trapped,
            ExitReason::Unavailable => ClusterExit::Unavailable,
        }
    }
}

/// `drain-handler.drain`: how a connection that is being drained comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub enum Drain {
    /// The host closes it when it is idle.
    #[component(name = "when-idle")]
    WhenIdle,
    /// It goes on until its plugin closes it.
    #[component(name = "until-closed")]
    UntilClosed,
}
