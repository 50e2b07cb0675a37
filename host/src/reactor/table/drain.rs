//! The state of a connection that is being drained.

use crate::clock::Moment;
use crate::contract::outcome::Drain;
use crate::reactor::table::deadline::DeadlineKey;

/// The state of a connection that is being drained.
#[derive(Debug)]
pub(in crate::reactor) struct DrainEntry {
    pub(in crate::reactor) step: DrainStep,
    /// The time at which it is cut off.
    pub(in crate::reactor) until: Moment,
    /// Whether it is on the agenda.
    pub(in crate::reactor) is_due: bool,
    /// Whether it is in its instance's list of connections to check when the instance is idle.
    pub(in crate::reactor) is_held: bool,
    /// Whether it got time to be read before its plugin is notified.
    pub(in crate::reactor) was_unread: bool,
    /// When it is checked again, if nothing happens before.
    pub(in crate::reactor) again: Option<DeadlineKey>,
}

/// The step of a connection that is being drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum DrainStep {
    /// Its plugin is notified next.
    Begin,
    /// Its plugin is notified and has not answered.
    Told,
    /// The host closes it when it is idle.
    WhenIdle,
    /// Its plugin or its peer closes it.
    UntilClosed,
    /// It is closed next, idle or not; queued bytes are still sent.
    Close,
    /// It is cut off next.
    Cut,
    /// It is closed and waits for its outbox.
    Closed,
}

/// What keeps a connection from being idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Hold {
    /// Its own state; it is reconciled when that changes.
    Own,
    /// Its instance, which is entered before its state changes.
    Instance,
    /// It was accepted recently, and counts as new until this time.
    New(Moment),
}

impl DrainEntry {
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
