//! Entering a guest, and its return.

use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::engine::call::{Finished, Seat};
use crate::engine::event::Event;

/// A guest that the carrier enters next, at the top of its stack.
pub struct GuestEntry {
    pub instance: InstanceId,
    /// Its sandbox.
    pub seat: Seat,
    pub event: Event,
    pub measure: Measure,
}

/// What has to be measured of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Nothing,
    /// The wall-clock time, which includes waiting for a core.
    Time,
    /// The CPU time of the thread, which costs a system call.
    CpuTime,
}

/// The return of a guest within its first slice.
pub struct GuestReturn {
    pub instance: InstanceId,
    pub finished: Finished,
    /// The time that it took, if that was to be measured.
    pub used: Option<Duration>,
}
