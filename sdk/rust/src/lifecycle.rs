//! The program around the connections.

use crate::Result;

/// A program: what EventMachine's users write before, in and after `EM.run`'s block.
///
/// The plugin needs `isolation = "plugin"`. It is started with the host; without a listener there is one
/// instance in the whole host, with listeners one on each reactor, and each is told all of this.
///
/// ```no_run
/// use std::time::Duration;
///
/// use sandloop::{Program, add_timer, stop};
///
/// struct Quitter;
///
/// impl Program for Quitter {
///     fn start() -> sandloop::Result {
///         add_timer(Duration::from_secs(1), stop);
///         Ok(())
///     }
/// }
///
/// sandloop::plugin! { program: Quitter }
/// ```
pub trait Program {
    /// Before the reactor runs, and also in `sandloop check`: the lines before `EM.run`, a place to read
    /// the options. Timers, ticks and connects are refused here.
    ///
    /// # Errors
    /// An error stops the host's start, before any address is served, with its text.
    fn prepare() -> Result {
        Ok(())
    }

    /// The reactor runs: `EM.run`'s block. Make clients, timers, ticks.
    ///
    /// # Errors
    /// An error ends the instance and is logged.
    fn start() -> Result;

    /// The reactor is about to stop. Bytes that are sent from here are still drained.
    fn stopping() {}

    /// The reactor does not run any more and every connection has had its `unbind`: the lines after
    /// `EM.run`.
    fn stopped() {}
}
