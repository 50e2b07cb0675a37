//! The commands of a callback that are not applied yet.

use std::vec;

use crate::engine::event::{Event, Outcome};
use crate::host_api::command::Command;

/// The commands of a callback that has returned, and its event and answer, which are handled after them.
pub(crate) struct Asked {
    /// The remaining commands, in order.
    pub commands: vec::IntoIter<Command>,
    /// The event of the callback.
    pub event: Event,
    /// The answer of the callback.
    pub outcome: Outcome,
}
