//! Start, reload, supervision and stop of a host.

pub mod admin;
pub mod control;
mod crew;
pub mod descriptors;
pub mod error;
pub mod fill;
mod fixed;
mod handover;
#[cfg(test)]
mod lock_tests;
#[cfg(test)]
mod lookahead_tests;
mod never_started;
pub(crate) mod news;
pub mod notify;
mod ports;
pub mod prepare;
pub mod pull;
pub(crate) mod reload;
pub mod signals;
mod singletons;
#[cfg(test)]
mod stage;
mod supervise;
mod trial;
#[cfg(test)]
mod turn_tests;
mod watchdog;
pub(crate) mod watches;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::base::lock::Mutex;
use crate::base::panics;
use crate::base::thread::Threads;
use crate::clock::Clock;
use crate::cluster::trial::{TrialError, check as check_cluster};
use crate::cluster::{Cluster, ClusterThread};
use crate::config::model::Config;
use crate::engine::fault::LoadError;
use crate::mail::post::Post;
use crate::net::network::Network;
use crate::plugin::process_service::ProcessPlaces;
use crate::plugin::readiness::Readiness;
use crate::plugin::shared::HostShared;
use crate::plugin::tls::ProfileWatch;
use crate::reactor::Reactor;
use crate::run::admin::start::Admin;
use crate::run::admin::watched::WatchedHost;
use crate::run::control::{Control, ControlQuestion};
use crate::run::crew::Crew;
use crate::run::error::StartError;
use crate::run::news::News;
use crate::run::notify::ServiceManager;
use crate::run::ports::Ports;
use crate::run::prepare::Prepared;
use crate::run::reload::Served;
use crate::run::signals::SignalWatch;
use crate::run::supervise::Supervisor;

/// Loads and checks everything that `config` names without serving it. With `tries_connections` each handler that a listener
/// names gets a simulated connection.
pub fn check(config: &Config, tries_connections: bool) -> Result<(), StartError> {
    let clock = Clock::system();
    let network =
        if tries_connections { Network::Scripted(Arc::default()) } else { Network::System };
    let mut prepared = prepare(config, &clock, network, None)?;
    if let Some(fault) = prepared.left_out.drain(..).next() {
        return Err(StartError::Load(fault));
    }
    let doubts = check_cluster(config).map_err(|error| match error {
        TrialError::Config(error) => StartError::Config(error),
        TrialError::System(cause) => StartError::Internal(format!("trying NATS: {cause}")),
    })?;
    doubts.iter().for_each(|doubt| tracing::warn!("{doubt}"));
    if tries_connections { prepared.try_connections() } else { Ok(()) }
}

fn prepare(
    config: &Config,
    clock: &Clock,
    network: Network,
    cluster: Option<Arc<Cluster>>,
) -> Result<Prepared, StartError> {
    panics::catch(|| Prepared::on(config, clock, network, cluster))
        .unwrap_or_else(|panicked| Err(StartError::panicked("preparing the plugins")(panicked)))
}

/// Serves `config` until it is stopped, and reports to the service manager. Returns the exit code of the process.
///
/// With `takes_over` it takes over the listeners of the process that waits at `[host] handover`, if there is one. `attend` is
/// called once it serves, with a handle for requests.
pub fn serve(
    config: &Config,
    signals: &SignalWatch,
    manager: &ServiceManager,
    takes_over: bool,
    attend: impl FnOnce(Control) -> io::Result<()>,
) -> Result<ExitCode, StartError> {
    let (sender, news) = channel();
    send_news(signals, &sender)?;
    let clock = Clock::system();
    let begun = clock.now();
    let starting =
        manager.starting(config.plugins.len()).map_err(StartError::thread("the start"))?;
    let cluster = start_cluster(config, &clock)?;
    let of_host = cluster.as_ref().map(ClusterThread::cluster);
    let prepared = prepare(config, &clock, Network::System, of_host)?;
    let Prepared { config, left_out, mut reactors, mut served, host, threads } = prepared;
    let config = &config;
    log_left_out(left_out);
    descriptors::admit(config).map_err(StartError::Config)?;
    let control = Control::new(sender.clone());
    let crew = Crew::new(&config.host, threads.ticker.activity(), sender.clone())?;
    let (reloader, to_reload) = start_reloads(sender.clone())?;
    let Ports { locks, predecessor, waiting, bound } = Ports::open(config, signals, takes_over)?;
    let posts: Vec<Post> = reactors.iter().map(Reactor::post).collect();
    let watched = WatchedHost::of(&served, &posts, &control, begun);
    // A predecessor has the address of its admin listener until it is relieved.
    let (early, late) = if predecessor.is_none() { (watched, None) } else { (None, watched) };
    let early = early.map(|watched| Admin::bind(config, watched)).transpose()?;
    if let Some(end) = asked_to_end(&news) {
        return end;
    }
    let early = early.map(|admin| admin.serve(config)).transpose()?;
    let mut watches = ports::listen_all(bound, config, &mut reactors, &mut served)?;
    drop(locks);
    crew.carry_all(reactors, &posts);
    host.readiness.reach(Readiness::Serving);
    let places = config.plugins.iter().zip(0..);
    singletons::serve(&host, places, posts.first());
    if let Some(cluster) = &host.cluster {
        cluster.serve_processes(Arc::new(ProcessPlaces::new(&host, &posts, &clock)));
    }
    let (waiting, admin) = match predecessor {
        None => (waiting, early),
        Some(predecessor) => {
            let path = config.host.handover.as_deref();
            let waiting = handover::take_its_place(predecessor, path, &sender);
            (waiting, late.and_then(|watched| Admin::serve_late(config, watched)))
        }
    };
    let admin = Arc::new(Mutex::new(admin));
    let of_successor = admin.clone();
    // Just before the next process may take its address.
    let relieved = move || drop(of_successor.lock().take());
    let succession = waiting.map(|waiting| waiting.begin(sender, relieved)).transpose()?;
    log_ready(config, &host, posts.len());
    watches.profiles = host.roster().plugins().flat_map(ProfileWatch::of).collect();
    // Cannot fail: the thread does not end before this one.
    let _ = to_reload.send(served);
    attend(control).map_err(StartError::thread("who attends"))?;
    drop(starting);
    let stop_deadline = config.host.limits.stop_deadline;
    let (news, host, posts) = (&news, &*host, &*posts);
    let supervisor =
        Supervisor { news, host, posts, clock, stop_deadline, watches, reloader, manager };
    let end = supervisor.run();
    drop(succession);
    // In the order in which they are dropped: what was pushed last goes out by the cluster.
    Ok(end.leave((admin.lock().take(), crew, threads, cluster)))
}

/// Has signals and panics sent to the main thread.
fn send_news(signals: &SignalWatch, news: &Sender<News>) -> Result<(), StartError> {
    signals.send_to(news.clone()).map_err(StartError::thread("signals"))?;
    let of_panics = news.clone();
    panics::tell(move |panicked| of_panics.send(News::Panicked(panicked)).is_ok());
    Ok(())
}

fn start_cluster(config: &Config, clock: &Clock) -> Result<Option<ClusterThread>, StartError> {
    let section = config.cluster.as_ref();
    let thread = section.map(|section| ClusterThread::start(section, clock)).transpose();
    thread.map_err(StartError::made("the thread for the cluster"))
}

fn log_ready(config: &Config, host: &HostShared, reactors: usize) {
    let (listeners, plugins) = (config.listeners.len(), host.roster().plugins().count());
    tracing::info!(listeners, plugins, reactors, "ready");
}

fn log_left_out(left_out: Vec<LoadError>) {
    for cause in left_out {
        let (plugin, cause) = (cause.plugin(), cause.to_string());
        tracing::error!(plugin, cause, "a plugin is left out, the others serve");
    }
}

/// Starts the thread that reloads, before the first port opens: the sender of requests, and that of what is served at first.
/// The thread ends with the process: a reload in progress may take long, and has no effect until it is complete.
fn start_reloads(
    news: Sender<News>,
) -> Result<(Sender<ControlQuestion>, Sender<Served>), StartError> {
    let (reloader, questions) = channel();
    let (to_reload, what_is_served) = channel();
    Threads::new()
        .spawn("reload".to_owned(), move || {
            if let Ok(served) = what_is_served.recv() {
                reload::serve(served, &questions, &news);
            }
        })
        .map_err(StartError::thread("reloads"))?;
    Ok((reloader, to_reload))
}

/// Whether a signal or a panic ends the host before it serves.
fn asked_to_end(news: &Receiver<News>) -> Option<Result<ExitCode, StartError>> {
    news.try_iter().find_map(|news| match news {
        News::Signal(signal) => Some(Ok(signals::exit_code(signal).into())),
        News::Panicked(panicked) => Some(Err(StartError::Internal(panicked.to_string()))),
        News::NotRelieved(error) => Some(Err(StartError::Internal(error.to_string()))),
        News::Asked(_)
        | News::Hangup
        | News::ReloadOver(_)
        | News::Count
        | News::HandedOver(_)
        | News::Ended(_) => None,
    })
}
