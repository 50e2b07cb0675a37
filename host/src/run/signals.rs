//! SIGINT, SIGTERM, SIGHUP and SIGUSR1 as news for the main thread.

use std::io;
use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::run::news::News;

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
