//! What the operator may ask of a running host: by a signal, by the command line, or at the admin listener.
//!
//! Whoever asks does not wait for the main thread, and the main thread waits for nobody: a request is news to it, and the
//! answer comes when there is one. A reload may take as long as its components take to compile.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::run::news::News;

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read the configuration again, and serve it if it is good.
    Reload,
    /// Give a plugin no new instances, as if it had trapped too often; those that it has go on.
    Park {
        /// Its name.
        plugin: String,
    },
    /// Give a plugin no new connections, and bring those that it has accepted to their end within its `drain_deadline`.
    Drain {
        /// Its name.
        plugin: String,
    },
    /// Let a plugin have everything again, whether it was parked, is drained or has trapped too often.
    Resume {
        /// Its name.
        plugin: String,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlAnswer {
    /// The configuration is served that the file has now.
    Reloaded,
    /// The plugin has no new instances.
    Parked,
    /// The plugin has no new connections, and those that it has are told to end.
    Draining,
    /// The plugin may have everything.
    Resumed,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRefusal {
    /// There is no plugin of that name.
    UnknownPlugin(String),
    /// The new configuration cannot be served: its error, with file, line, key, cause and remedy as at a start. The host
    /// serves what it served before.
    Reload(String),
    /// The host is about to end.
    Stopping,
}

/// Asks one host. Clones ask the same.
#[derive(Debug, Clone)]
pub struct Control(Sender<News>);

/// A request that was made.
#[derive(Debug)]
pub struct PendingAnswer(Receiver<Result<ControlAnswer, ControlRefusal>>);

/// A request as the main thread gets it.
#[derive(Debug)]
pub(crate) struct ControlQuestion {
    pub(super) request: Request,
    to: Sender<Result<ControlAnswer, ControlRefusal>>,
}

impl Control {
    pub(super) fn new(news: Sender<News>) -> Control {
        Control(news)
    }

    /// Asks; the answer comes to what this gives.
    pub fn ask(&self, request: Request) -> PendingAnswer {
        let (to, answer) = channel();
        // Where the main thread listens no more, nobody has the other end and `wait` says so.
        let _ = self.0.send(News::Asked(ControlQuestion { request, to }));
        PendingAnswer(answer)
    }
}

impl PendingAnswer {
    /// Waits for the answer.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn wait(self) -> Result<ControlAnswer, ControlRefusal> {
        self.0.recv().unwrap_or(Err(ControlRefusal::Stopping))
    }
}

impl ControlQuestion {
    /// The request of one who needs no answer.
    pub(super) fn unanswered(request: Request) -> ControlQuestion {
        ControlQuestion { request, to: channel().0 }
    }

    /// Tells whoever asked; he may have gone.
    pub(super) fn answer(self, answer: Result<ControlAnswer, ControlRefusal>) {
        let _ = self.to.send(answer);
    }
}

impl fmt::Display for ControlRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlRefusal::UnknownPlugin(name) => write!(f, "there is no plugin {name:?}"),
            ControlRefusal::Reload(error) => f.write_str(error),
            ControlRefusal::Stopping => f.write_str("the host is stopping"),
        }
    }
}

impl std::error::Error for ControlRefusal {}
