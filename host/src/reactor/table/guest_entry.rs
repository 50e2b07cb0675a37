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
    /// Whether it has to be known how long it takes.
    pub is_measured: bool,
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
