//! How far the end of a reactor has come.

use crate::mail::post::Post;
use crate::reactor::exit::Exit;
use crate::reactor::table::deadline::DeadlineKey;

/// The end of a reactor: how far it is, and how long it may take.
#[derive(Debug)]
pub(in crate::reactor) struct Stopping {
    pub(in crate::reactor) stop: Stop,
    /// Until when the present step may take.
    pub(in crate::reactor) deadline: Option<DeadlineKey>,
    pub(in crate::reactor) exit: Exit,
    /// Every reactor of the host, to pass the stop on.
    pub(in crate::reactor) peers: Vec<Post>,
}

impl Default for Stopping {
    fn default() -> Stopping {
        Stopping { stop: Stop::No, deadline: None, exit: Exit::Stopped, peers: Vec::new() }
    }
}

impl Stopping {
    /// Whether the reactor has stopped beginning things.
    pub(in crate::reactor) fn has_begun(&self) -> bool {
        !matches!(self.stop, Stop::No | Stop::Wanted)
    }
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Stop {
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
    pub(in crate::reactor) fn want(&mut self) {
        if *self == Stop::No {
            *self = Stop::Wanted;
        }
    }

    /// The deadline has passed.
    pub(in crate::reactor) fn deadline_passed(&mut self) {
        match self {
            Stop::Hooks | Stop::Draining => *self = Stop::Cutting,
            Stop::LastWords => *self = Stop::Done,
            _ => {}
        }
    }
}
