//! SIGINT and SIGTERM as news for the main thread.

use std::io;
use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::News;

/// Sends each of the two signals as news, for as long as the process lives.
pub(super) fn watch(news: Sender<News>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if news.send(News::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
