//! From a configuration to a running host, and to its end.

mod descriptors;
pub mod error;
pub mod fill;
pub(crate) mod news;
pub mod prepare;
pub mod signals;

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use crate::clock::Clock;
use crate::config::model::Config;
use crate::mail::post::{Mail, Post};
use crate::net::listener;
use crate::net::listener::{BoundListener, Listener};
use crate::plugin::shared::HostShared;
use crate::reactor::{Exit, Reactor};
use crate::run::error::StartError;
use crate::run::news::News;
use crate::run::prepare::Prepared;

/// Loads and checks everything that `config` names, serves nothing.
pub fn check(config: &Config) -> Result<(), StartError> {
    let prepared = Prepared::new(config, &Clock::system())?;
    prepared.left_out.into_iter().next().map_or(Ok(()), |fault| Err(StartError::Load(fault)))
}

/// Serves `config` until it is stopped. The code is what the process ends with.
pub fn serve(config: &Config) -> Result<ExitCode, StartError> {
    // Before anything is open, so that a signal never finds the default action half way.
    let (sender, news) = channel();
    signals::watch(sender.clone()).map_err(StartError::internal("signals"))?;
    let Prepared { config, left_out, mut reactors, host, runtime, ticker, workers, slow } =
        Prepared::new(config, &Clock::system())?;
    for cause in left_out {
        let (plugin, cause) = (cause.plugin(), cause.to_string());
        tracing::error!(plugin, cause, "a plugin is left out, the others serve");
    }
    let config = &config;
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
    let mut threads = Vec::new();
    for mut reactor in reactors {
        reactor.set_peers(posts.clone());
        let (sender, handle) = (sender.clone(), runtime.handle().clone());
        let thread = std::thread::Builder::new()
            .name(format!("reactor-{}", reactor.index()))
            .spawn(move || {
                // A guest that sleeps through WASI waits on this runtime's timers.
                let _guard = handle.enter();
                // Nobody listens any more only when the host is leaving anyway.
                let _ = sender.send(News::Ended(reactor.run()));
            })
            .map_err(StartError::internal("starting a reactor's thread"))?;
        threads.push(thread);
    }
    tracing::info!(
        listeners = config.listeners.len(),
        plugins = host.plugins.len(),
        reactors = threads.len(),
        "ready"
    );
    let code = supervise(&news, &host, &posts, threads);
    // They may be inside guests, which the ticker has to interrupt.
    drop(workers);
    drop(slow);
    drop(ticker);
    // A name that is being looked up for nobody must not hold the process.
    runtime.shutdown_background();
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

fn supervise(
    news: &Receiver<News>,
    host: &HostShared,
    posts: &[Post],
    threads: Vec<JoinHandle<()>>,
) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut running = threads.len();
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
    for thread in threads {
        if thread.join().is_err() {
            code = ExitCode::FAILURE;
        }
    }
    host.log_counters();
    tracing::info!("stopped");
    code
}
