//! SIGINT, SIGTERM, SIGHUP and SIGUSR1 as news for the main thread, and the one that is no reason to end.

use std::io;
use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::run::news::News;

/// From now on a file that would grow past the process's limit (`ulimit -f`) is an error of the one who writes, as a
/// closed pipe is, and not the end of the process.
///
/// # Errors
/// When the system does not allow it.
pub fn outlive_file_size_limit() -> io::Result<()> {
    // A handler that notes what nobody reads: the write itself says what went wrong.
    signal_hook::flag::register(SIGXFSZ, Default::default())?;
    Ok(())
}

/// Sends each of the signals as news, for as long as the process lives.
pub(super) fn watch(news: Sender<News>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let one = match signal {
                SIGHUP => News::LiftQuarantine,
                SIGUSR1 => News::Count,
                _ => News::Signal(signal),
            };
            if news.send(one).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
