//! A connection that is being drained: brought to its end without anything being cut off that is under way.

use crate::clock::Moment;
use crate::contract::outcome::Drain;
use crate::reactor::table::deadline::DeadlineKey;

/// A connection that is being drained.
#[derive(Debug)]
pub(in crate::reactor) struct DrainEntry {
    pub(in crate::reactor) step: DrainStep,
    /// When what is left of it is cut off.
    pub(in crate::reactor) until: Moment,
    /// Whether the agenda holds it.
    pub(in crate::reactor) is_due: bool,
    /// Whether its instance holds it, to have it looked at again when that is quiet.
    pub(in crate::reactor) is_held: bool,
    /// Whether it was given time to be read before it is told.
    pub(in crate::reactor) was_unread: bool,
    /// When it is looked at again, if nothing happens before.
    pub(in crate::reactor) again: Option<DeadlineKey>,
}

/// How far the end of a connection is that is being drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum DrainStep {
    /// It is told next.
    Begin,
    /// Its plugin is told, and has not answered.
    Told,
    /// The host closes it when it is idle.
    WhenIdle,
    /// Its plugin closes it, or its peer.
    UntilClosed,
    /// It is closed next, idle or not; what is queued still goes out.
    Close,
    /// It is cut off next.
    Cut,
    /// Nothing is left to do but to wait for its outbox.
    Closed,
}

/// What keeps a connection from being idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Hold {
    /// Something of its own; it is reconciled when that changes.
    Own,
    /// Its instance, which is entered before that changes.
    Instance,
    /// It has only just been accepted, and has this long to say what it wants.
    New(Moment),
}

impl DrainEntry {
    /// One that is about to be told, or closed.
    pub(in crate::reactor) fn new(step: DrainStep, until: Moment) -> DrainEntry {
        DrainEntry { step, until, is_due: false, is_held: false, was_unread: false, again: None }
    }
}

impl From<Drain> for DrainStep {
    fn from(drain: Drain) -> DrainStep {
        match drain {
            Drain::WhenIdle => DrainStep::WhenIdle,
            Drain::UntilClosed => DrainStep::UntilClosed,
        }
    }
}
