//! The ports of a host at its start: every address is bound before the first one listens.

use std::sync::Arc;

use crate::config::model::Config;
use crate::net::listener;
use crate::net::listener::handed::HandedSockets;
use crate::net::listener::tls::TlsWatch;
use crate::net::listener::{BoundListener, Listener, PathLocks, PathWatch};
use crate::reactor::Reactor;
use crate::run::error::StartError;
use crate::run::handover::{Predecessor, SuccessionPlace};
use crate::run::reload::Served;
use crate::run::signals::SignalWatch;
use crate::run::watches::{FileWatches, SourceWatch};

/// Every address of a host, bound.
pub(super) struct Ports {
    pub(super) locks: PathLocks,
    /// The process that has handed listeners over.
    pub(super) predecessor: Option<Predecessor>,
    /// Where the next process is waited for, if there is no predecessor.
    pub(super) waiting: Option<SuccessionPlace>,
    pub(super) bound: Vec<BoundListener>,
}

impl Ports {
    pub(super) fn open(
        config: &Config,
        signals: &SignalWatch,
        takes_over: bool,
    ) -> Result<Ports, StartError> {
        let locks = PathLocks::take(config).map_err(StartError::Bind)?;
        let path = config.host.handover.as_deref();
        // It may hang, and then a signal still ends this one at once.
        let found = path.filter(|_| takes_over).map(Predecessor::find).transpose()?.flatten();
        // From here on there are paths to remove at the end.
        signals.begin_serving();
        let (predecessor, handed_over) = found.unzip();
        // Without a predecessor no other process may serve.
        let free = path.filter(|_| predecessor.is_none());
        let waiting = free.map(|path| SuccessionPlace::bind(path, false)).transpose()?;
        let bound = bind_all(config, handed_over.unwrap_or_default())?;
        Ok(Ports { locks, predecessor, waiting, bound })
    }
}

/// Binds every listener, or takes the sockets that were handed over. None of the new ones listens before all are bound.
fn bind_all(
    config: &Config,
    mut handed_over: HandedSockets,
) -> Result<Vec<BoundListener>, StartError> {
    let bind = |place: usize| {
        let plugin = config.listeners[place].plugin;
        listener::bind_or_take(config, place, plugin, &mut handed_over)
    };
    let bound = (0..config.listeners.len()).map(bind).collect::<Result<Vec<_>, _>>();
    let bound = bound.map_err(StartError::Bind)?;
    if 0 < handed_over.left() {
        let sockets = handed_over.left();
        tracing::info!(sockets, "handed over, and not served any more");
    }
    Ok(bound)
}

/// Listens at every address, and gives each reactor its listeners. Returns the files to check for changes.
pub(super) fn listen_all(
    bound: Vec<BoundListener>,
    config: &Config,
    reactors: &mut [Reactor],
    served: &mut Served,
) -> Result<FileWatches, StartError> {
    let listen = |(place, bound): (usize, BoundListener)| bound.listen(config, place);
    let all = bound.into_iter().enumerate().map(listen).collect::<Result<Vec<_>, _>>();
    let mut watches = FileWatches { sources: SourceWatch::of(config), ..FileWatches::default() };
    for (listeners, section) in all.map_err(StartError::Bind)?.into_iter().zip(&config.listeners) {
        if let Some(first) = listeners.first() {
            watches.paths.extend(PathWatch::of(first));
            watches.certificates.extend(TlsWatch::of(&first.endpoint));
            served.endpoints.push(Arc::downgrade(&first.endpoint));
            announce(first, &config.plugins[section.plugin].name);
        }
        // A predecessor with more reactors has handed over more sockets than there are reactors.
        let count = reactors.len();
        for (number, listener) in listeners.into_iter().enumerate() {
            let reactor = &mut reactors[number % count];
            reactor.listen(listener).map_err(StartError::internal("polling a listener"))?;
        }
    }
    Ok(watches)
}

fn announce(listener: &Listener, plugin: &str) {
    let endpoint = &listener.endpoint;
    let handler = Some(&*endpoint.accepted.handler).filter(|handler| !handler.is_empty());
    tracing::info!(address = &*endpoint.accepted.listener, plugin, handler, "serving");
}
