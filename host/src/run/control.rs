//! Requests of the operator to a running host: by a signal, by the command line, or at the admin listener.
//!
//! A request is an event for the main thread, which never blocks on it: the answer is sent later. A reload may take as long
//! as its components take to compile.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::run::news::News;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read the configuration again, and serve it if it is valid.
    Reload,
    /// Give a plugin no new instances, as in quarantine; existing ones continue.
    Park {
        /// The plugin's name.
        plugin: String,
    },
    /// Give a plugin no new connections, and drain the accepted ones within its `drain_deadline`.
    Drain {
        /// The plugin's name.
        plugin: String,
    },
    /// End parking, draining or quarantine of a plugin.
    Resume {
        /// The plugin's name.
        plugin: String,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlAnswer {
    /// The configuration was reloaded.
    Reloaded,
    /// The plugin gets no new instances.
    Parked,
    /// The plugin gets no new connections, and the accepted ones are being drained.
    Draining,
    /// The plugin gets instances and connections again.
    Resumed,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRefusal {
    /// There is no plugin of that name.
    UnknownPlugin(String),
    /// The new configuration cannot be served: its error, with file, line, key, cause and remedy as at a start. The host
    /// continues with the old one.
    Reload(String),
    /// The host is stopping.
    Stopping,
}

/// Sends requests to a host. Clones send to the same one.
#[derive(Debug, Clone)]
pub struct Control(Sender<News>);

/// The pending answer of a request.
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

    /// Sends a request.
    pub fn ask(&self, request: Request) -> PendingAnswer {
        let (to, answer) = channel();
        // If the main thread has ended the sender of the answer is dropped, which `wait` reports.
        let _ = self.0.send(News::Asked(ControlQuestion { request, to }));
        PendingAnswer(answer)
    }
}

impl PendingAnswer {
    /// Waits for the answer.
    ///
    /// # Errors
    /// Why the request was refused.
    pub fn wait(self) -> Result<ControlAnswer, ControlRefusal> {
        self.0.recv().unwrap_or(Err(ControlRefusal::Stopping))
    }
}

impl ControlQuestion {
    /// A request whose answer is not needed.
    pub(super) fn unanswered(request: Request) -> ControlQuestion {
        ControlQuestion { request, to: channel().0 }
    }

    /// Sends the answer; the receiver may be gone.
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
