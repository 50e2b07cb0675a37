//! Events of the main thread.

use std::io;

use crate::base::panics::Panicked;
use crate::reactor::exit::Exit;
use crate::run::control::ControlQuestion;
use crate::run::watches::Reloaded;

/// An event of the main thread.
#[derive(Debug)]
pub(crate) enum News {
    /// A signal that stops the host.
    Signal(i32),
    /// SIGHUP: resume quarantined plugins, and reload.
    Hangup,
    /// A reload has ended; with its changes if it was applied.
    ReloadOver(Option<Reloaded>),
    /// A request of the operator.
    Asked(ControlQuestion),
    /// SIGUSR1: log use and counters.
    Count,
    /// The process with this number has taken the listeners over.
    HandedOver(i32),
    /// This one was to take over, and the other goes on.
    NotRelieved(io::Error),
    /// A reactor has ended.
    Ended(Result<io::Result<Exit>, Panicked>),
    /// A thread has panicked and is gone.
    Panicked(Panicked),
}
