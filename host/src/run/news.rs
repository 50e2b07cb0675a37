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
    /// Another process has taken the listeners over.
    HandedOver,
    /// Taking over has failed, and the previous process continues.
    NotRelieved(io::Error),
    /// A reactor has ended.
    Ended(Result<io::Result<Exit>, Panicked>),
    /// A thread has panicked and is gone.
    Panicked(Panicked),
}
