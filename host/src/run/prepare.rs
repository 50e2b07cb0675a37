//! Preparing a host before the first port opens: the engine, every plugin, a first instance of each, every program's
//! `prepare`.

use std::sync::Arc;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::model::{Config, PluginConfig};
use crate::engine::compile::{Compiled, Compiler};
use crate::engine::components::Components;
use crate::engine::fault::LoadError;
use crate::engine::fit;
use crate::engine::load::{Loader, Standing};
use crate::engine::template::{Templates, Versions};
use crate::engine::ticker::Ticker;
use crate::host_api::state::Env;
use crate::log::trap;
use crate::net::network::Network;
use crate::plugin::Usage;
use crate::plugin::counters::Counters;
use crate::plugin::roster::Roster;
use crate::plugin::shared::HostShared;
use crate::plugin::tenant::Tenant;
use crate::quota::instances::InstanceQuota;
use crate::reactor::{Reactor, Setup};
use crate::run::descriptors;
use crate::run::error::StartError;
use crate::run::never_started;
use crate::run::reload::probation::Probations;
use crate::run::reload::{Reached, Served};
use crate::run::trial::Caller;
use crate::workers::deferred::Workers;
use crate::workers::disposal::{Disposal, DisposalThread};
use crate::workers::file_threads::FileThreads;
use crate::workers::resolver::Resolver;
use crate::workers::slow_lane::{SlowLane, SlowLaneThreads};

/// A host that is ready to serve.
pub struct Prepared {
    /// Its configuration, without the plugins that are left out.
    pub config: Config,
    /// The errors of plugins that are left out because their compilation did not end.
    pub left_out: Vec<LoadError>,
    /// The reactors, with their programs.
    pub reactors: Vec<Reactor>,
    /// The state from which a reload starts; its endpoints are not bound yet.
    pub(super) served: Served,
    /// The shared state.
    pub host: Arc<HostShared>,
    /// The threads besides the reactors.
    pub threads: HostThreads,
}

/// The threads of a host besides its reactors. They are dropped in this order: workers and the slow lane may be inside guests,
/// which the ticker has to interrupt.
pub struct HostThreads {
    /// Do deferred work.
    pub workers: Workers,
    /// Run calls that exceed their slice.
    pub slow_lane: SlowLaneThreads,
    /// Make calls into file systems.
    pub files: FileThreads,
    /// Releases the resources of ended instances.
    pub disposal: DisposalThread,
    /// Ends slices.
    pub ticker: Ticker,
}

impl Prepared {
    /// Loads and checks everything that `config` names.
    pub fn new(config: &Config, clock: &Clock) -> Result<Prepared, StartError> {
        Prepared::on(config, clock, Network::System, None)
    }

    /// The same with this network and this cluster, if there is one.
    pub(super) fn on(
        config: &Config,
        clock: &Clock,
        network: Network,
        cluster: Option<Arc<Cluster>>,
    ) -> Result<Prepared, StartError> {
        if let Err(error) = descriptors::raise() {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
        let components = Components::load(&Compiler::of(&config.host), config)?;
        Prepared::of(components, clock, network, cluster)
    }

    /// The same for components that are loaded.
    pub fn of(
        components: Components,
        clock: &Clock,
        network: Network,
        cluster: Option<Arc<Cluster>>,
    ) -> Result<Prepared, StartError> {
        let footprints = components.footprints();
        let Components { config, engine, compiled, left_out } = components;
        let limits = &config.host.limits;
        let ticker = Ticker::spawn(engine.engine.weak(), limits.slice)
            .map_err(StartError::thread("the time slices"))?;
        let loader = Loader::new(&engine.engine)
            .map_err(|error| StartError::Internal(format!("linker: {}", trap::chain(&error))))?;
        let templates = load_all(&config, &loader, &compiled, cluster.as_deref())?;
        let versions = Versions::default();
        versions.add(&templates);
        never_started::tell(&config, &templates);
        fit::compare_with_tenants(&config, &footprints);
        let roster = Roster::new(templates.plugins(), &[]);
        let for_guests = descriptors::for_guests(&config);
        let host = HostShared::new(roster, for_guests, config.watched_loops(), network, cluster);
        let files = FileThreads::spawn(&host.file_calls, &host.roster())
            .map_err(StartError::thread("files"))?;
        let env = Env::new(clock, &host);
        let caller = Caller { config: &config, activity: ticker.activity(), env };
        caller.check_all(&templates)?;
        let slow_lane = SlowLane::new(limits.slow_lane, clock, &host, ticker.activity());
        let quota = instance_quota(&config);
        let resolver = start_resolver(&config)?;
        let (disposal, disposal_thread) =
            Disposal::start().map_err(StartError::thread("what ended instances leave"))?;
        let parts = ReactorParts {
            caller: &caller,
            templates: &templates,
            quota,
            slow_lane,
            resolver,
            disposal,
        };
        let reactors = (0..limits.reactors).map(|index| parts.reactor(index, clock));
        let reactors = reactors.collect::<Result<Vec<_>, _>>()?;
        let env = Env::new(clock, &host);
        let workers = Workers::spawn(limits.workers, &env, &versions, &ticker.activity())
            .map_err(StartError::thread("a worker"))?;
        let slow_lane = SlowLaneThreads::spawn(&parts.slow_lane)
            .map_err(StartError::thread("the slow lane"))?;
        let disposal = disposal_thread;
        let threads = HostThreads { workers, slow_lane, files, disposal, ticker };
        let served = Served {
            config: config.clone(),
            endpoints: Vec::new(),
            quota: parts.quota,
            resolver: parts.resolver,
            templates,
            versions,
            engine,
            loader,
            host: host.clone(),
            files: threads.files.crew(),
            activity: threads.ticker.activity(),
            clock: clock.clone(),
            reactors: reactors.iter().map(Reached::of).collect(),
            generation: 0,
            probations: Probations::default(),
        };
        Ok(Prepared { config, left_out, reactors, served, host, threads })
    }

    /// Tries a simulated connection with each handler that a listener names; see `Caller::connect`.
    pub(super) fn try_connections(&self) -> Result<(), StartError> {
        let Some(reactor) = self.reactors.first() else { return Ok(()) };
        let (config, env) = (&self.config, reactor.env());
        let caller = Caller { config, activity: self.threads.ticker.activity(), env };
        for template in self.served.templates.iter() {
            let plugin = &template.plugin;
            caller
                .connect(template, plugin.index, &reactor.post())
                .map_err(|fault| caller.error(plugin, fault))?;
        }
        Ok(())
    }
}

/// Links every plugin of a start.
fn load_all(
    config: &Config,
    loader: &Loader,
    compiled: &[Compiled],
    cluster: Option<&Cluster>,
) -> Result<Templates, StartError> {
    let tenants: Vec<_> = (config.tenants.iter().enumerate())
        .map(|(index, tenant)| Arc::new(Tenant::new(index, tenant, cluster)))
        .collect();
    let standing = |place: usize| {
        let section = &config.plugins[place];
        Standing {
            place,
            generation: 0,
            tenant: tenants[section.tenant_index].clone(),
            usage: Arc::new(Usage::new(&section.limits)),
            counters: Arc::new(Counters::watched(config.watched_loops())),
        }
    };
    (compiled.iter().enumerate())
        .map(|(index, one)| {
            loader.load(config, index, one, standing(index)).map_err(StartError::Load)
        })
        .map(|loaded| loaded.map(Some))
        .collect::<Result<Vec<_>, _>>()
        .map(Templates::new)
}

fn instance_quota(config: &Config) -> InstanceQuota {
    let of_tenants: Vec<_> = config.tenants.iter().map(|it| it.limits.instances).collect();
    InstanceQuota::new(config.host.limits.instances, &of_tenants)
}

fn start_resolver(config: &Config) -> Result<Arc<Resolver>, StartError> {
    let somebody_may_ask = config.plugins.iter().any(PluginConfig::may_connect);
    Resolver::start(config.tenants.len(), somebody_may_ask)
        .map(Arc::new)
        .map_err(StartError::thread("names"))
}

/// What all reactors of a host are made with.
struct ReactorParts<'a> {
    caller: &'a Caller<'a>,
    templates: &'a Templates,
    quota: InstanceQuota,
    slow_lane: SlowLane,
    resolver: Arc<Resolver>,
    disposal: Disposal,
}

impl ReactorParts<'_> {
    /// Makes a reactor and prepares its programs.
    fn reactor(&self, index: usize, clock: &Clock) -> Result<Reactor, StartError> {
        let limits = &self.caller.config.host.limits;
        let env = Env::new(clock, &self.caller.env.host);
        let setup = Setup {
            index,
            env: env.clone(),
            templates: self.templates.clone(),
            activity: self.caller.activity.clone(),
            quota: self.quota.clone(),
            slice: limits.slice,
            slow_lane: self.slow_lane.clone(),
            resolver: self.resolver.clone(),
            disposal: self.disposal.clone(),
            stop_deadline: limits.stop_deadline,
            close_deadline: limits.close_deadline,
        };
        let mut reactor = Reactor::new(setup).map_err(StartError::made("a reactor"))?;
        for template in self.templates.iter() {
            let plugin = &template.plugin;
            if self.caller.begins_with(plugin, plugin.index, index) {
                let prepared = self.caller.prepare(template, env.clone());
                let sandbox = prepared.map_err(|fault| self.caller.error(plugin, fault))?;
                reactor.adopt(sandbox).map_err(|full| {
                    let fault = fit::no_room(plugin, full.bound(), self.quota.max);
                    self.caller.error(plugin, fault)
                })?;
            }
        }
        Ok(reactor)
    }
}
