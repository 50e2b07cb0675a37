//! How far the end of a reactor has come.

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Not asked for.
    No,
    /// Asked for: this turn is completed first.
    Wanted,
    /// Listeners are closed, `lifecycle.stopping` is under way.
    Hooks,
    /// Output drains, each connection gets its `unbind`.
    Draining,
    /// The deadline has passed: what is left is cut.
    Cutting,
    /// `lifecycle.stopped` is under way.
    LastWords,
    /// Nothing is left.
    Done,
}

impl Stop {
    /// Asks for it; asking twice is asking once.
    pub fn want(&mut self) {
        if *self == Stop::No {
            *self = Stop::Wanted;
        }
    }

    /// Whether the reactor has stopped beginning things.
    pub fn has_begun(self) -> bool {
        !matches!(self, Stop::No | Stop::Wanted)
    }

    /// The deadline has passed.
    pub fn deadline_passed(&mut self) {
        match self {
            Stop::Hooks | Stop::Draining => *self = Stop::Cutting,
            Stop::LastWords => *self = Stop::Done,
            _ => {}
        }
    }
}
