//! A guest on its way in, and on its way back.

use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::engine::call::{Finished, Seat};
use crate::engine::event::Event;

/// A guest that is entered next: whoever carries the loop does so, at the top of its stack.
pub struct GuestEntry {
    /// The instance.
    pub instance: InstanceId,
    /// Its sandbox.
    pub seat: Seat,
    /// What it is told.
    pub event: Event,
    /// What of it has to be known.
    pub measure: Measure,
}

/// What has to be known of the time that a guest takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Nothing.
    Nothing,
    /// How long it takes. Where the thread has to wait for a core, that is in it.
    Time,
    /// The CPU time of its thread: asking for that is a system call.
    CpuTime,
}

/// A guest that was entered, and has returned within its first slice.
pub struct GuestReturn {
    /// The instance.
    pub instance: InstanceId,
    /// How it went.
    pub finished: Finished,
    /// How long it took, where that has to be known.
    pub used: Option<Duration>,
}
