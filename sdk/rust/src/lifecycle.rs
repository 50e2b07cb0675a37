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

    /// This plugin is being replaced: what the next version is to have of this one, at most as many bytes as a message may have;
    /// `None` where there is nothing. With `handover = "beside"` it is called right after `stopping`, with `"after"` before `stopped`.
    /// Of one that is only stopped it is not asked.
    ///
    /// ```no_run
    /// use std::cell::Cell;
    ///
    /// use sandloop::Program;
    ///
    /// thread_local!(static SERVED: Cell<u64> = const { Cell::new(0) });
    ///
    /// struct Counter;
    ///
    /// impl Program for Counter {
    ///     fn start() -> sandloop::Result {
    ///         sandloop::info!("going on with {}", SERVED.get());
    ///         Ok(())
    ///     }
    ///
    ///     fn save() -> Option<Vec<u8>> {
    ///         Some(SERVED.get().to_le_bytes().to_vec())
    ///     }
    ///
    ///     fn restore(state: &[u8]) -> sandloop::Result {
    ///         SERVED.set(u64::from_le_bytes(state.try_into()?));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// sandloop::plugin! { program: Counter }
    /// ```
    fn save() -> Option<Vec<u8>> {
        None
    }

    /// What the version before has saved, between `prepare` and `start`. As in `prepare`, timers, ticks and connects are refused.
    ///
    /// # Errors
    /// It cannot be taken: the text is logged, and the program begins without. A panic has the same effect, and counts as a trap.
    fn restore(state: &[u8]) -> Result {
        Err(format!("it has no use for a state, of {} bytes", state.len()).into())
    }
}
