//! Everything before the first port: the engine, every plugin, a first instance of each, every program's
//! `prepare`.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::model::{Config, Isolation, PluginConfig};
use crate::contract;
use crate::engine::call::{Finished, Seat, enter, event_budget};
use crate::engine::compile::Compiler;
use crate::engine::components::Components;
use crate::engine::event::{Event, Outcome};
use crate::engine::fault::{Fault, LoadError};
use crate::engine::fit;
use crate::engine::load::Loader;
use crate::engine::sandbox::Sandbox;
use crate::engine::template::{Template, Templates, Versions};
use crate::engine::ticker::{Activity, Ticker};
use crate::engine::trapped::{Stage, Trapped};
use crate::host_api::call::{Budget, CallEnded, Counts, Unpaced};
use crate::host_api::state::{Env, HostState};
use crate::log::text::GuestText;
use crate::log::trap;
use crate::plugin::Plugin;
use crate::plugin::roster::Roster;
use crate::plugin::shared::HostShared;
use crate::quota::instances::InstanceQuota;
use crate::reactor::{Reactor, Setup};
use crate::run::descriptors;
use crate::run::error::StartError;
use crate::workers::deferred::Workers;
use crate::workers::disposal::{Disposal, DisposalThread};
use crate::workers::file_threads::FileThreads;
use crate::workers::resolver::Resolver;
use crate::workers::slow_lane;
use crate::workers::slow_lane::SlowLane;

/// Longest that one callback may take before the loop runs, whatever it waits for.
const CALLBACK_MAX: Duration = Duration::from_secs(30);

/// A host that could begin to serve.
pub struct Prepared {
    /// What it serves: the configuration, without the plugins that are left out.
    pub config: Config,
    /// Why those are: compiling them comes to no end.
    pub left_out: Vec<LoadError>,
    /// The reactors, with the programs that begin with them.
    pub reactors: Vec<Reactor>,
    /// What all share.
    pub host: Arc<HostShared>,
    /// Make calls into file systems for guests.
    pub files: FileThreads,
    /// Measures slices.
    pub ticker: Ticker,
    /// Do deferred work.
    pub workers: Workers,
    /// Where handlers go on that outlive their slice.
    pub slow: slow_lane::SlowLaneThreads,
    /// Gives back what ended instances leave behind.
    pub disposal: DisposalThread,
    /// The sandboxes of the whole host.
    pub quota: InstanceQuota,
}

impl Prepared {
    /// Loads and checks everything that `config` names.
    pub fn new(config: &Config, clock: &Clock) -> Result<Prepared, StartError> {
        if let Err(error) = descriptors::raise() {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
        let components = Components::load(&Compiler::of(&config.host), config)?;
        let footprints = components.footprints();
        let Components { config: admitted, engine, compiled, left_out } = components;
        let config = &admitted;
        let ticker = Ticker::spawn(engine.weak(), config.host.limits.slice)
            .map_err(StartError::thread("the time slices"))?;
        let loader = Loader::new(&engine, &config.tenants)
            .map_err(|error| StartError::Internal(format!("linker: {}", trap::chain(&error))))?;
        let templates = (compiled.iter().enumerate())
            .map(|(index, one)| loader.load(config, index, one).map_err(StartError::Load))
            .map(|loaded| loaded.map(Some))
            .collect::<Result<Vec<_>, _>>()?;
        let templates = Templates::new(templates);
        let versions = Versions::default();
        versions.add(&templates);
        fit::compare_with_tenants(config, &footprints);
        let roster = Roster::new(templates.plugins(), &[]);
        let host = HostShared::new(roster, descriptors::for_guests(config), config.watched_loops());
        let env = || Env {
            clock: clock.for_reactor(),
            stopping: Arc::default(),
            ending: Arc::default(),
            host: host.clone(),
        };
        let files = FileThreads::spawn(&host.file_calls, &host.roster())
            .map_err(StartError::thread("files"))?;
        let caller = Caller { config, activity: ticker.activity(), env: env() };
        for template in templates.iter() {
            let plugin = &template.plugin;
            caller.check(template).map_err(|fault| caller.error(plugin, fault))?;
        }
        let lane = SlowLane::new(config.host.limits.slow_lane, clock, &host, ticker.activity());
        let of_tenants: Vec<_> = config.tenants.iter().map(|it| it.limits.instances).collect();
        let quota = InstanceQuota::new(config.host.limits.instances, &of_tenants);
        let resolver = Resolver::start(
            config.tenants.len(),
            config.plugins.iter().any(PluginConfig::may_connect),
        )
        .map_err(StartError::thread("names"))?;
        let resolver = Arc::new(resolver);
        let (disposal, disposal_thread) =
            Disposal::start().map_err(StartError::thread("what ended instances leave"))?;
        let mut reactors = Vec::new();
        for index in 0..config.host.limits.reactors {
            let setup = Setup {
                index,
                env: env(),
                templates: templates.clone(),
                activity: ticker.activity(),
                quota: quota.clone(),
                slice: config.host.limits.slice,
                slow_lane: lane.clone(),
                resolver: resolver.clone(),
                disposal: disposal.clone(),
                stop_deadline: config.host.limits.stop_deadline,
                close_deadline: config.host.limits.close_deadline,
            };
            let env = setup.env.clone();
            let mut reactor = Reactor::new(setup).map_err(StartError::made("a reactor"))?;
            for template in templates.iter() {
                let plugin = &template.plugin;
                if caller.begins_with(plugin, index) {
                    let sandbox = caller
                        .prepare(template, env.clone())
                        .map_err(|fault| caller.error(plugin, fault))?;
                    reactor.adopt(sandbox).map_err(|full| {
                        caller.error(plugin, fit::no_room(plugin, full.bound(), quota.max))
                    })?;
                }
            }
            reactors.push(reactor);
        }
        let workers =
            Workers::spawn(config.host.limits.workers, &env(), &versions, &ticker.activity())
                .map_err(StartError::thread("a worker"))?;
        let slow = slow_lane::SlowLaneThreads::spawn(&lane)
            .map_err(StartError::thread("the slow lane"))?;
        Ok(Prepared {
            config: admitted,
            left_out,
            reactors,
            host,
            files,
            ticker,
            workers,
            slow,
            disposal: disposal_thread,
            quota,
        })
    }
}

/// Calls into guests before there is a loop.
struct Caller<'a> {
    config: &'a Config,
    activity: Activity,
    env: Env,
}

impl Caller<'_> {
    fn error(&self, plugin: &Plugin, fault: Fault) -> StartError {
        StartError::Load(LoadError::new(&self.config.file, &plugin.config, fault))
    }

    /// Makes an instance, which shows whether it fits its limits, and asks it for its handlers.
    fn check(&self, template: &Arc<Template>) -> Result<(), Fault> {
        let plugin = &template.plugin;
        let seat = empty(template, self.env.clone());
        let (mut sandbox, outcome) = self.call(seat, Event::Handlers)?;
        sandbox.check_optional_exports().map_err(|misfit| Fault::Refused(vec![misfit]))?;
        // Without a catalog any name will do.
        let Outcome::Names(have) = outcome else { return Ok(()) };
        if let [only] = &*have {
            // The first of several checks of one plugin is as good as the last.
            let _ = plugin.default_handler.set(GuestText::name(only));
        }
        let sections = self.config.listeners.iter();
        for section in sections.filter(|section| section.plugin == plugin.index) {
            let place = section.place;
            let unknown = section.handler.as_ref().filter(|wanted| !have.contains(wanted));
            if let Some(wanted) = unknown {
                let (line, wanted) = (section.line, wanted.clone());
                return Err(Fault::Handler { line, place, wanted, have: shown(&have) });
            }
            if section.handler.is_none() && 1 < have.len() {
                let have = shown(&have);
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

    fn prepare(&self, template: &Arc<Template>, env: Env) -> Result<Box<Sandbox>, Fault> {
        match self.call(empty(template, env), Event::Prepare)? {
            (_, Outcome::Refused(reason)) => Err(Fault::Prepare(reason)),
            (sandbox, _) => Ok(sandbox),
        }
    }

    /// Runs one call to its end.
    fn call(&self, seat: Seat, event: Event) -> Result<(Box<Sandbox>, Outcome), Fault> {
        let name = event.name();
        let plugin = seat.plugin().clone();
        let plugin = &plugin;
        let budget = Budget {
            deadline: CALLBACK_MAX,
            counts: Counts::Everything,
            ..event_budget(&plugin.config.limits)
        };
        let finished = enter(seat, event, budget, Arc::new(Unpaced), &self.activity);
        let Finished { sandbox, result, .. } = finished;
        match (sandbox, result) {
            (Some(sandbox), Ok(outcome)) => Ok((sandbox, outcome)),
            (_, Err(trapped)) if is_too_long(&trapped) => {
                Err(instance(format_args!("{name} has not returned after {CALLBACK_MAX:?}")))
            }
            (_, Err(trapped)) => Err(match trapped.stage {
                Stage::Room | Stage::Make => {
                    fit::unmade(plugin, &trapped, self.config.host.limits.instances)
                }
                Stage::Fit => Fault::Refused(vec![GuestText::cause(format_args!(
                    "its {} does not fit: {}",
                    contract::interface(contract::HANDLER),
                    trap::chain(&trapped.error)
                ))]),
                Stage::Run => Fault::Trapped {
                    event: name,
                    cause: trap::cause(&trapped.error),
                    backtrace: trap::backtrace(&trapped.error),
                },
            }),
            (None, Ok(_)) => Err(instance("the sandbox is gone")),
        }
    }
}

/// Whether a first call has used up its time.
fn is_too_long(trapped: &Trapped) -> bool {
    matches!(trapped.error.downcast_ref(), Some(CallEnded::TooLong(_)))
}

/// Why there is no first instance.
fn instance(cause: impl Display) -> Fault {
    Fault::Instance(GuestText::cause(cause))
}

/// The names of `catalog.handlers` as a message has them.
fn shown(names: &[String]) -> Vec<GuestText> {
    names.iter().map(GuestText::name).collect()
}

/// A sandbox that is yet to be made.
fn empty(template: &Arc<Template>, env: Env) -> Seat {
    let state = HostState::new(template.plugin.clone(), env);
    Seat::Empty(template.clone(), Box::new(state))
}
