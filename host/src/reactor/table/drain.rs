//! The state of a connection that is being drained.

use crate::clock::Moment;
use crate::contract::outcome::Drain;
use crate::reactor::table::deadline::DeadlineKey;

/// The state of a connection that is being drained.
#[derive(Debug)]
pub(in crate::reactor) struct DrainEntry {
    pub(in crate::reactor) step: DrainStep,
    pub(in crate::reactor) cause: DrainCause,
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
    /// Its plugin would have the host close it when it is idle, but it is drained because of a reload, which closes nothing.
    Stays,
    /// It is closed next, idle or not; queued bytes are still sent.
    Close,
    /// It is cut off next.
    Cut,
    /// It is closed and waits for its outbox.
    Closed,
}

/// Why a connection is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum DrainCause {
    /// A reload has replaced or removed its plugin. A peer may send at any time, and is answered by the version that it has:
    /// the host closes nothing before the deadline.
    Reload,
    /// The host stops, or the operator drains the plugin: what is idle is closed.
    Stop,
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
    pub(in crate::reactor) fn new(step: DrainStep, cause: DrainCause, until: Moment) -> DrainEntry {
        DrainEntry {
            step,
            cause,
            until,
            is_due: false,
            is_held: false,
            was_unread: false,
            again: None,
        }
    }

    /// Drains it once more: the earlier time counts, and a stop takes precedence over a reload.
    pub(in crate::reactor) fn again(&mut self, cause: DrainCause, until: Moment) {
        self.until = self.until.min(until);
        if cause == DrainCause::Stop {
            self.cause = cause;
            if self.step == DrainStep::Stays {
                self.step = DrainStep::WhenIdle;
            }
        }
    }

    /// Handles the plugin's answer to its notification. `speaks_host` is whether the host itself speaks the protocol of the
    /// connection, and so can tell that an idle one is not needed.
    pub(in crate::reactor) fn answered(&mut self, drain: Drain, speaks_host: bool) {
        self.step = match drain {
            Drain::UntilClosed => DrainStep::UntilClosed,
            Drain::WhenIdle if self.cause == DrainCause::Reload && !speaks_host => DrainStep::Stays,
            Drain::WhenIdle => DrainStep::WhenIdle,
        };
    }
}
