//! From a configuration to a running host, and to its end.

mod descriptors;
pub mod error;
pub(crate) mod news;
pub mod prepare;
mod signals;

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

use crate::carrier::spares::Spares;
use crate::clock::Clock;
use crate::config::model::Config;
use crate::mail::post::{Mail, Post};
use crate::net::listener;
use crate::net::listener::{BoundListener, Listener};
use crate::plugin::shared::HostShared;
use crate::reactor::Reactor;
use crate::reactor::exit::Exit;
use crate::run::error::StartError;
use crate::run::news::News;
use crate::run::prepare::Prepared;

/// Loads and checks everything that `config` names, serves nothing.
pub fn check(config: &Config) -> Result<(), StartError> {
    Prepared::new(config, &Clock::system()).map(drop)
}

/// Serves `config` until it is stopped. The code is what the process ends with.
pub fn serve(config: &Config) -> Result<ExitCode, StartError> {
    // Before anything is open, so that a signal never finds the default action half way.
    let (sender, news) = channel();
    signals::watch(sender.clone()).map_err(StartError::internal("signals"))?;
    let Prepared { mut reactors, host, files, ticker, workers, slow } =
        Prepared::new(config, &Clock::system())?;
    descriptors::admit(config).map_err(StartError::Config)?;
    for (listeners, section) in bind_all(config)?.into_iter().zip(&config.listeners) {
        for (reactor, listener) in reactors.iter_mut().zip(listeners) {
            if reactor.index() == 0 {
                announce(&listener, &config.plugins[section.plugin].name);
            }
            reactor.listen(listener).map_err(StartError::internal("polling a listener"))?;
        }
    }
    let posts: Vec<Post> = reactors.iter().map(Reactor::post).collect();
    let count = reactors.len();
    // Nobody listens any more only when the host is leaving anyway.
    let on_end = move |result| drop(sender.send(News::Ended(result)));
    let spares = Spares::start(count, config.host.slice, ticker.activity(), on_end)
        .map_err(StartError::internal("starting the reactors' threads"))?;
    for mut reactor in reactors {
        reactor.set_peers(posts.clone());
        spares.carry(reactor);
    }
    tracing::info!(
        listeners = config.listeners.len(),
        plugins = host.plugins.len(),
        reactors = count,
        "ready"
    );
    let code = supervise(&news, &host, &posts);
    spares.close();
    // They may be inside guests, which the ticker has to interrupt.
    drop(workers);
    drop(slow);
    drop(files);
    drop(ticker);
    Ok(code)
}

/// Binds every listener, then begins to listen on all: no port opens before every address is ours.
fn bind_all(config: &Config) -> Result<Vec<Vec<Listener>>, StartError> {
    let places = 0..config.listeners.len();
    let bound: Vec<BoundListener> = places
        .clone()
        .map(|place| listener::bind(config, place).map_err(StartError::Bind))
        .collect::<Result<_, _>>()?;
    let listen = |(bound, place): (BoundListener, usize)| bound.listen(config, place);
    bound.into_iter().zip(places).map(|pair| listen(pair).map_err(StartError::Bind)).collect()
}

fn announce(listener: &Listener, plugin: &str) {
    let endpoint = &listener.endpoint;
    let handler = Some(&*endpoint.accepted.handler).filter(|handler| !handler.is_empty());
    tracing::info!(address = &*endpoint.accepted.listener, plugin, handler, "serving");
}

fn supervise(news: &Receiver<News>, host: &HostShared, posts: &[Post]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut running = posts.len();
    let mut stopping = false;
    while 0 < running {
        match news.recv() {
            Ok(News::Signal(signal)) if stopping => {
                tracing::warn!(signal, "second signal: leaving at once");
                // The reactors' threads end with the process.
                return u8::try_from(128 + signal).unwrap_or(1).into();
            }
            Ok(News::Signal(signal)) => {
                tracing::info!(signal, "signal: stopping; a second one leaves at once");
                stopping = true;
                posts.iter().for_each(|post| post.send(Mail::Stop));
            }
            Ok(News::LiftQuarantine) => {
                host.plugins.iter().for_each(|plugin| plugin.lift_quarantine());
                posts.iter().for_each(|post| post.send(Mail::LiftQuarantine));
            }
            Ok(News::Count) => {
                host.plugins.iter().for_each(|plugin| plugin.log_usage());
                host.log_counters();
            }
            Ok(News::Ended(result)) => {
                running -= 1;
                code = match result {
                    Ok(Exit::Stopped) => code,
                    Ok(Exit::NothingLeft) => ExitCode::FAILURE,
                    Err(error) => {
                        tracing::error!(%error, "a reactor has failed");
                        posts.iter().for_each(|post| post.send(Mail::Stop));
                        ExitCode::FAILURE
                    }
                };
            }
            Err(_) => break,
        }
    }
    host.log_counters();
    tracing::info!("stopped");
    code
}
