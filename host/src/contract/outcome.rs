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
