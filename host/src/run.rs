//! Start, reload, supervision and stop of a host.

pub mod admin;
pub mod control;
pub mod descriptors;
pub mod error;
pub mod fill;
mod fixed;
mod handover;
#[cfg(test)]
mod lock_tests;
mod never_started;
pub(crate) mod news;
pub mod notify;
pub mod prepare;
pub mod pull;
pub(crate) mod reload;
pub mod signals;
#[cfg(test)]
mod stage;
mod supervise;
mod trial;
#[cfg(test)]
mod turn_tests;
mod watchdog;
pub(crate) mod watches;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::base::lock::Mutex;
use crate::base::panics;
use crate::base::thread::Threads;
use crate::carrier::spares::{Departure, Spares};
use crate::clock::Clock;
use crate::cluster::trial::{TrialError, check as check_cluster};
use crate::cluster::{Cluster, ClusterThread};
use crate::config::admin::AdminConfig;
use crate::config::model::{Config, HostConfig};
use crate::engine::fault::LoadError;
use crate::engine::ticker::Activity;
use crate::mail::post::Post;
use crate::net::listener;
use crate::net::listener::admin::BoundAdmin;
use crate::net::listener::handed::{HandedSockets, handover_sockets};
use crate::net::listener::tls::TlsWatch;
use crate::net::listener::{BoundListener, Listener, PathLocks, PathWatch};
use crate::net::network::Network;
use crate::plugin::readiness::Readiness;
use crate::plugin::tls::ProfileWatch;
use crate::reactor::Reactor;
use crate::run::admin::watched::{Heartbeat, Pages, WatchedHost};
use crate::run::admin::{AdminRuntime, AdminThread};
use crate::run::control::{Control, ControlQuestion};
use crate::run::error::StartError;
use crate::run::handover::{Predecessor, SuccessionPlace};
use crate::run::news::News;
use crate::run::notify::ServiceManager;
use crate::run::prepare::Prepared;
use crate::run::reload::Served;
use crate::run::signals::SignalWatch;
use crate::run::supervise::{End, Supervisor};
use crate::run::watches::{FileWatches, SourceWatch};

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
    signals.send_to(sender.clone()).map_err(StartError::thread("signals"))?;
    let of_panics = sender.clone();
    panics::tell(move |panicked| of_panics.send(News::Panicked(panicked)).is_ok());
    let clock = Clock::system();
    let begun = clock.now();
    let starting =
        manager.starting(config.plugins.len()).map_err(StartError::thread("the start"))?;
    let section = config.cluster.as_ref();
    let cluster = section.map(ClusterThread::start).transpose();
    let cluster = cluster.map_err(StartError::made("the thread for the cluster"))?;
    let of_host = cluster.as_ref().map(ClusterThread::cluster);
    let prepared = prepare(config, &clock, Network::System, of_host)?;
    let Prepared { config, left_out, mut reactors, mut served, host, files, .. } = prepared;
    let Prepared { ticker, workers, slow, disposal, quota, .. } = prepared;
    log_left_out(left_out);
    let config = &config;
    descriptors::admit(config).map_err(StartError::Config)?;
    let control = Control::new(sender.clone());
    let crew = Crew::new(&config.host, ticker.activity(), sender.clone())?;
    let (reloader, to_reload) = start_reloads(sender.clone())?;
    let Ports { locks, predecessor, waiting, bound } = Ports::open(config, signals, takes_over)?;
    let posts: Vec<Post> = reactors.iter().map(Reactor::post).collect();
    let make_admin = |section: &AdminConfig| {
        let watched = WatchedHost {
            host: host.clone(),
            posts: posts.clone(),
            clock: clock.for_reactor(),
            begun,
            quota: quota.clone(),
            limits: config.host.limits.clone(),
            control: control.clone(),
            config: section.clone(),
            pages: Pages::default(),
            heartbeat: Heartbeat::default(),
        };
        Admin::bind(config, section, watched)
    };
    // A predecessor has the address of its admin listener until it is relieved.
    let early = config.admin.as_ref().filter(|_| predecessor.is_none());
    let early = early.map(make_admin).transpose()?;
    if let Some(end) = asked_to_end(&news) {
        return end;
    }
    let early = early.map(|admin| admin.serve(config)).transpose()?;
    let mut watches = listen_all(bound, config, &mut reactors, &mut served)?;
    drop(locks);
    for mut reactor in reactors {
        reactor.set_peers(posts.clone());
        crew.give(reactor);
    }
    host.readiness.reach(Readiness::Serving);
    let (waiting, admin) = match predecessor {
        None => (waiting, early),
        Some(predecessor) => {
            let path = config.host.handover.as_deref();
            let waiting = take_its_place(predecessor, path, &sender);
            let serve = |section: &AdminConfig| make_admin(section)?.serve(config);
            let late = config.admin.as_ref().map(serve).transpose();
            (waiting, late.unwrap_or_else(|error| not_watched(&error)))
        }
    };
    let admin = Arc::new(Mutex::new(admin));
    let of_successor = admin.clone();
    let relieved = move || drop(of_successor.lock().take());
    let begin = |waiting: SuccessionPlace| waiting.begin(sender, relieved);
    let succession = waiting.map(begin).transpose()?;
    tracing::info!(
        listeners = config.listeners.len(),
        plugins = host.roster().plugins().count(),
        reactors = posts.len(),
        "ready"
    );
    watches.profiles = host.roster().plugins().flat_map(ProfileWatch::of).collect();
    // Cannot fail: the thread does not end before this one.
    let _ = to_reload.send(served);
    attend(control).map_err(StartError::thread("who attends"))?;
    let stop_deadline = config.host.limits.stop_deadline;
    let supervisor = Supervisor {
        news: &news,
        host: &host,
        posts: &posts,
        clock,
        stop_deadline,
        watches,
        reloader,
        manager,
    };
    drop(starting);
    let end = supervisor.run();
    drop(succession);
    // In the order in which they are dropped: workers may be inside guests, which the ticker has to interrupt, and what was
    // pushed last goes out by the cluster.
    let threads = (admin.lock().take(), crew, workers, slow, files, disposal, ticker, cluster);
    match end {
        End::Whole(code) => {
            drop(threads);
            Ok(code)
        }
        End::Cut(code) => {
            // Threads that hang end with the process.
            std::mem::forget(threads);
            Ok(code)
        }
    }
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

/// Every address of a host, bound.
struct Ports {
    locks: PathLocks,
    /// The process that has handed listeners over.
    predecessor: Option<Predecessor>,
    /// Where the next process is waited for, if there is no predecessor.
    waiting: Option<SuccessionPlace>,
    bound: Vec<BoundListener>,
}

impl Ports {
    fn open(config: &Config, signals: &SignalWatch, takes_over: bool) -> Result<Ports, StartError> {
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

/// The admin listener before it listens.
struct Admin {
    bound: BoundAdmin,
    runtime: AdminRuntime,
    watched: WatchedHost,
}

impl Admin {
    fn bind(
        config: &Config,
        section: &AdminConfig,
        watched: WatchedHost,
    ) -> Result<Admin, StartError> {
        let bound = listener::admin::bind(config, section).map_err(StartError::Bind)?;
        let runtime = AdminRuntime::new().map_err(StartError::made("the admin listener"))?;
        Ok(Admin { bound, runtime, watched })
    }

    /// Listens and serves; probes are told that the host is starting.
    fn serve(self, config: &Config) -> Result<AdminThread, StartError> {
        let Admin { bound, runtime, watched } = self;
        let address = bound.address.to_string();
        watched.host.own_listeners.add(&bound.address);
        let section = watched.config.clone();
        let listener = bound.listen(config, &section).map_err(StartError::Bind)?;
        let thread =
            runtime.serve(listener, watched).map_err(StartError::thread("the admin listener"))?;
        tracing::info!(address, "watched and told what to do");
        Ok(thread)
    }
}

/// The carriers' threads. They are started before the first port opens, so that a lack of threads is an error of the start.
struct Crew(Spares);

impl Crew {
    fn new(
        config: &HostConfig,
        activity: Activity,
        news: Sender<News>,
    ) -> Result<Crew, StartError> {
        let tell = move |end| {
            let news_of = match end {
                Departure::Ended(end) => News::Ended(end),
                Departure::Panicked(panicked) => News::Panicked(panicked),
            };
            // Fails only while the process is ending.
            let _ = news.send(news_of);
        };
        Spares::start(config.limits.reactors, config.limits.slice, activity, tell)
            .map(Crew)
            .map_err(StartError::thread("a reactor"))
    }

    /// Gives a reactor to one of the threads.
    fn give(&self, reactor: Reactor) {
        self.0.carry(reactor);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Logs that the host serves without its admin listener.
fn not_watched(error: &StartError) -> Option<AdminThread> {
    let cause = error.to_string();
    tracing::error!(cause, "there is no admin listener");
    None
}

/// This process serves now: relieves the predecessor, and waits for a successor.
fn take_its_place(
    predecessor: Predecessor,
    path: Option<&Path>,
    news: &Sender<News>,
) -> Option<SuccessionPlace> {
    if let Err(error) = predecessor.relieve() {
        // The main thread receives it as soon as it supervises.
        let _ = news.send(News::NotRelieved(error));
        return None;
    }
    handover_sockets().iter().for_each(|handed| handed.claim());
    tracing::info!("the process before has handed over, and drains");
    match SuccessionPlace::bind(path?, true) {
        Ok(waiting) => Some(waiting),
        Err(error) => {
            let cause = error.to_string();
            tracing::error!(cause, "no process can take over from this one");
            None
        }
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
fn listen_all(
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

fn announce(listener: &Listener, plugin: &str) {
    let endpoint = &listener.endpoint;
    let handler = Some(&*endpoint.accepted.handler).filter(|handler| !handler.is_empty());
    tracing::info!(address = &*endpoint.accepted.listener, plugin, handler, "serving");
}
