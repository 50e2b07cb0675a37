//! What a callback has asked for and is not done yet.

use std::vec;

use crate::engine::event::{Event, Outcome};
use crate::host_api::command::Command;

/// What a callback that has returned has asked for, and what follows when that is done.
pub struct Asked {
    /// What is left of it, in the order it was asked.
    pub commands: vec::IntoIter<Command>,
    /// What the callback was told.
    pub event: Event,
    /// What it has answered.
    pub outcome: Outcome,
}
