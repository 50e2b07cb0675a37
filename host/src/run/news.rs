//! What the main thread waits for.

use std::io;

use crate::base::panics::Panicked;
use crate::reactor::exit::Exit;
use crate::run::control::ControlQuestion;
use crate::run::watches::Reloaded;

/// What the main thread waits for.
#[derive(Debug)]
pub(crate) enum News {
    /// A signal that asks to stop.
    Signal(i32),
    /// A signal that asks to let quarantined plugins have instances again, and to reload.
    Hangup,
    /// A reload is over; what has changed, where it was taken.
    ReloadOver(Option<Reloaded>),
    /// The operator asks for something.
    Asked(ControlQuestion),
    /// A signal that asks what is in use and what was counted.
    Count,
    /// Another process has taken the listeners over.
    HandedOver,
    /// This one was to take over, and the other goes on.
    NotRelieved(io::Error),
    /// A reactor has ended.
    Ended(Result<io::Result<Exit>, Panicked>),
    /// Another thread has panicked, and what it did is not done any more.
    Panicked(Panicked),
}
