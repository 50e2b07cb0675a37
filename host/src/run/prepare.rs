//! Preparing a host before the first port opens: the engine, every plugin, a first instance of each, every program's
//! `prepare`.

use std::sync::Arc;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::model::{Config, PluginConfig};
use crate::engine::compile::Compiler;
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
use crate::workers::slow_lane;
use crate::workers::slow_lane::SlowLane;

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
    /// The threads for calls into file systems.
    pub files: FileThreads,
    /// The ticker.
    pub ticker: Ticker,
    /// The threads for deferred work.
    pub workers: Workers,
    /// The threads of the slow lane.
    pub slow: slow_lane::SlowLaneThreads,
    /// The thread that releases resources of ended instances.
    pub disposal: DisposalThread,
    /// The instance quota.
    pub quota: InstanceQuota,
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
        let Components { config: admitted, engine, compiled, left_out } = components;
        let config = &admitted;
        let ticker = Ticker::spawn(engine.engine.weak(), config.host.limits.slice)
            .map_err(StartError::thread("the time slices"))?;
        let loader = Loader::new(&engine.engine)
            .map_err(|error| StartError::Internal(format!("linker: {}", trap::chain(&error))))?;
        let tenants = config.tenants.iter().enumerate();
        let tenants: Vec<_> = tenants
            .map(|(index, tenant)| Arc::new(Tenant::new(index, tenant, cluster.as_deref())))
            .collect();
        let standing = |place: usize| {
            let section = &config.plugins[place];
            let tenant = tenants[section.tenant_index].clone();
            let usage = Arc::new(Usage::new(&section.limits));
            Standing {
                place,
                generation: 0,
                tenant,
                usage,
                counters: Arc::new(Counters::watched(config.watched_loops())),
            }
        };
        let templates = (compiled.iter().enumerate())
            .map(|(index, one)| {
                loader.load(config, index, one, standing(index)).map_err(StartError::Load)
            })
            .map(|loaded| loaded.map(Some))
            .collect::<Result<Vec<_>, _>>()?;
        let templates = Templates::new(templates);
        let versions = Versions::default();
        versions.add(&templates);
        never_started::tell(config, &templates);
        fit::compare_with_tenants(config, &footprints);
        let roster = Roster::new(templates.plugins(), &[]);
        let for_guests = descriptors::for_guests(config);
        let host = HostShared::new(roster, for_guests, config.watched_loops(), network, cluster);
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
            caller.check(template, plugin.index).map_err(|fault| caller.error(plugin, fault))?;
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
                if caller.begins_with(plugin, plugin.index, index) {
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
        let reached =
            |reactor: &Reactor| Reached { env: reactor.env(), changes: reactor.changes() };
        let served = Served {
            config: admitted.clone(),
            endpoints: Vec::new(),
            templates,
            versions,
            engine,
            loader,
            host: host.clone(),
            quota: quota.clone(),
            resolver,
            files: files.crew(),
            activity: ticker.activity(),
            clock: clock.clone(),
            reactors: reactors.iter().map(reached).collect(),
            generation: 0,
            probations: Probations::default(),
        };
        Ok(Prepared {
            config: admitted,
            served,
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

    /// Tries a simulated connection with each handler that a listener names; see `Caller::connect`.
    pub(super) fn try_connections(&self) -> Result<(), StartError> {
        let Some(reactor) = self.reactors.first() else { return Ok(()) };
        let (config, env) = (&self.config, reactor.env());
        let caller = Caller { config, activity: self.ticker.activity(), env };
        for template in self.served.templates.iter() {
            let plugin = &template.plugin;
            caller
                .connect(template, plugin.index, &reactor.post())
                .map_err(|fault| caller.error(plugin, fault))?;
        }
        Ok(())
    }
}
