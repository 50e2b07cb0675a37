//! Everything before the first port: the engine, every plugin, a first instance of each, every program's
//! `prepare`.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::StartError;
use crate::clock::Clock;
use crate::config::{Config, Isolation};
use crate::deferred::Workers;
use crate::host_api::{Home, HostState};
use crate::hub::Hub;
use crate::lane::{self, Lane};
use crate::observe;
use crate::plugin::sandbox::{self, Finished, Outcome, Sandbox, Seat, Stage, Task};
use crate::plugin::ticker::{Activity, Ticker};
use crate::plugin::{Count, Fault, LoadError, Loader, Plugin, contract, engine};
use crate::reactor::{Reactor, Setup};

/// Longest that one callback may take before the loop runs, whatever it waits for.
const CALLBACK_MAX: Duration = Duration::from_secs(30);

/// Threads that wait for file systems on behalf of guests; started when a guest needs one.
const FILE_THREADS_MAX: usize = 8;

/// A host that could begin to serve.
pub struct Prepared {
    /// The reactors, with the programs that begin with them.
    pub reactors: Vec<Reactor>,
    /// What all share.
    pub hub: Arc<Hub>,
    /// What guests wait on that sleep or use files through WASI.
    pub runtime: Runtime,
    /// Measures slices.
    pub ticker: Ticker,
    /// Do deferred work.
    pub workers: Workers,
    /// Where handlers go on that outlive their slice.
    pub slow: lane::Threads,
}

impl Prepared {
    /// Loads and checks everything that `config` names.
    pub fn new(config: &Config, clock: &Clock) -> Result<Prepared, StartError> {
        if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
        let engine = engine::engine(config)
            .map_err(|error| StartError::Internal(format!("engine: {}", observe::chain(&error))))?;
        let ticker = Ticker::spawn(engine.weak(), config.host.slice)
            .map_err(StartError::internal("starting the ticker's thread"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(FILE_THREADS_MAX)
            .thread_name("wasi")
            .enable_time()
            .build()
            .map_err(StartError::internal("starting the runtime for WASI"))?;
        let loader = Loader::new(&engine, &config.tenants)
            .map_err(|error| StartError::Internal(format!("linker: {}", observe::chain(&error))))?;
        let plugins = (0..config.plugins.len())
            .map(|index| loader.load(config, index).map_err(StartError::Load))
            .collect::<Result<Vec<_>, _>>()?;
        let hub = Hub::new(plugins);
        let home =
            || Home { clock: clock.for_reactor(), stopping: Arc::default(), hub: hub.clone() };
        let guard = runtime.enter();
        let caller = Caller { config, activity: ticker.activity(), home: home() };
        for plugin in &hub.plugins {
            caller.check(plugin).map_err(|fault| caller.error(plugin, fault))?;
        }
        let lane = Lane::new(clock, ticker.activity(), config.host.slice);
        let instances = Count::default();
        let mut reactors = Vec::new();
        for index in 0..config.host.reactors {
            let setup = Setup {
                index,
                home: home(),
                activity: ticker.activity(),
                instances: instances.clone(),
                instances_max: config.host.instances,
                slice: config.host.slice,
                lane: lane.clone(),
                stop_deadline: config.host.stop_deadline,
                close_deadline: config.host.close_deadline,
            };
            let home = setup.home.clone();
            let mut reactor = Reactor::new(setup).map_err(StartError::internal("making a poll"))?;
            for plugin in &hub.plugins {
                if caller.begins_with(plugin, index) {
                    let sandbox = caller
                        .prepare(plugin, home.clone())
                        .map_err(|fault| caller.error(plugin, fault))?;
                    if !reactor.adopt(sandbox) {
                        let cause = format!("[host] instances = {}", config.host.instances);
                        return Err(caller.error(plugin, Fault::Instance(cause)));
                    }
                }
            }
            reactors.push(reactor);
        }
        drop(guard);
        let workers =
            Workers::spawn(config.host.workers, &home(), &ticker.activity(), runtime.handle())
                .map_err(StartError::internal("starting the workers"))?;
        let slow = lane::Threads::spawn(config.host.slow_lane, &lane, runtime.handle())
            .map_err(StartError::internal("starting the slow lane"))?;
        Ok(Prepared { reactors, hub, runtime, ticker, workers, slow })
    }
}

/// Calls into guests before there is a loop.
struct Caller<'a> {
    config: &'a Config,
    activity: Activity,
    home: Home,
}

impl Caller<'_> {
    fn error(&self, plugin: &Plugin, fault: Fault) -> StartError {
        StartError::Load(LoadError::new(&self.config.file, &plugin.config, fault))
    }

    /// Makes an instance, which shows whether it fits its limits, and asks it for its handlers.
    fn check(&self, plugin: &Arc<Plugin>) -> Result<(), Fault> {
        let state = Box::new(HostState::new(plugin.clone(), self.home.clone()));
        let (mut sandbox, outcome) = self.call(Seat::Empty(state), Task::Handlers)?;
        sandbox.check_optional_exports().map_err(|misfit| Fault::Refused(vec![misfit]))?;
        // Without a catalog any name will do.
        let Outcome::Names(have) = outcome else { return Ok(()) };
        if let [only] = &*have {
            // The first of several checks of one plugin is as good as the last.
            let _ = plugin.default_handler.set(observe::escaped(only).into_owned());
        }
        let sections = self.config.listeners.iter().enumerate();
        for (place, section) in sections.filter(|(_, section)| section.plugin == plugin.index) {
            let unknown = section.handler.as_ref().filter(|wanted| !have.contains(wanted));
            if let Some(wanted) = unknown {
                let (line, wanted) = (section.line, wanted.clone());
                return Err(Fault::Handler { line, place, wanted, have });
            }
            if section.handler.is_none() && 1 < have.len() {
                return Err(Fault::HandlerMissing { line: section.line, place, have });
            }
        }
        Ok(())
    }

    /// Whether a plugin has an instance on this reactor from the beginning: on each where it serves a
    /// listener, on the first where it does not.
    fn begins_with(&self, plugin: &Plugin, reactor: usize) -> bool {
        let served = self.config.listeners.iter().any(|l| l.plugin == plugin.index);
        plugin.config.isolation == Isolation::Plugin && (served || reactor == 0)
    }

    fn prepare(&self, plugin: &Arc<Plugin>, home: Home) -> Result<Box<Sandbox>, Fault> {
        let state = Box::new(HostState::new(plugin.clone(), home));
        match self.call(Seat::Empty(state), Task::Prepare)? {
            (_, Outcome::Refused(reason)) => {
                Err(Fault::Prepare(observe::escaped(&reason).into_owned()))
            }
            (sandbox, _) => Ok(sandbox),
        }
    }

    /// Runs one call to its end.
    fn call(&self, seat: Seat, task: Task) -> Result<(Box<Sandbox>, Outcome), Fault> {
        let name = task.name();
        let call = sandbox::run(seat, task);
        let Some(finished) = self.block_on(call) else {
            return Err(Fault::Instance(format!("{name} has not returned after {CALLBACK_MAX:?}")));
        };
        let Finished { sandbox, result, .. } = finished;
        match (sandbox, result) {
            (Some(sandbox), Ok(outcome)) => Ok((sandbox, outcome)),
            (_, Err(trapped)) => Err(match trapped.stage {
                Stage::Make => Fault::Instance(observe::chain(&trapped.error)),
                Stage::Fit => Fault::Refused(vec![format!(
                    "its {} does not fit: {}",
                    contract::interface(contract::HANDLER),
                    observe::chain(&trapped.error)
                )]),
                Stage::Run => Fault::Trapped {
                    event: name,
                    cause: observe::cause(&trapped.error),
                    backtrace: observe::backtrace(&trapped.error),
                },
            }),
            (None, Ok(_)) => Err(Fault::Instance("the sandbox is gone".into())),
        }
    }

    /// Polls until there is a result, or the time is up.
    fn block_on(&self, call: impl Future<Output = Finished>) -> Option<Finished> {
        let mut call = std::pin::pin!(call);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let begun = self.home.clock.now();
        loop {
            let entered = self.activity.enter();
            if let Poll::Ready(finished) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(finished);
            }
            drop(entered);
            let left = CALLBACK_MAX.checked_sub(self.home.clock.now().since(begun))?;
            std::thread::park_timeout(left);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
