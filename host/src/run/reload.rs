//! Reloads: the configuration is read, checked, compiled and tried on a thread of its own, while the reactors serve and the
//! main thread handles signals. Then everything is replaced, or nothing.

mod places;
pub(in crate::run) mod probation;
mod sockets;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};

use crate::base::panics;
use crate::clock::Clock;
use crate::config::model::{Config, PluginConfig};
use crate::engine::compile::{Compiled, Compiler};
use crate::engine::components::Components;
use crate::engine::load::{Loader, Standing};
use crate::engine::room::HostEngine;
use crate::engine::sandbox::Sandbox;
use crate::engine::template::{Template, Templates, Versions};
use crate::engine::ticker::Activity;
use crate::host_api::state::Env;
use crate::log::text::GuestText;
use crate::net::listener::tls::TlsWatch;
use crate::net::listener::{Endpoint, PathWatch};
use crate::plugin::counters::Counters;
use crate::plugin::roster::Roster;
use crate::plugin::shared::HostShared;
use crate::plugin::tenant::Tenant;
use crate::plugin::tls::ProfileWatch;
use crate::plugin::{Plugin, Usage};
use crate::quota::instances::{InstanceQuota, TenantBound};
use crate::reactor::Reactor;
use crate::reactor::table::change::{ReactorChange, ReactorChanges};
use crate::run::control::{ControlAnswer, ControlQuestion, ControlRefusal};
use crate::run::descriptors;
use crate::run::error::StartError;
use crate::run::fixed;
use crate::run::news::News;
use crate::run::reload::places::NewPlaces;
use crate::run::reload::probation::Probations;
use crate::run::reload::sockets::NewSockets;
use crate::run::singletons;
use crate::run::trial::Caller;
use crate::run::watches::{FileWatches, Reloaded, SourceWatch};
use crate::workers::deferred;
use crate::workers::file_threads::FileCrew;
use crate::workers::resolver::Resolver;

/// What a reload needs of a reactor.
pub(super) struct Reached {
    /// The environment of its instances.
    pub(super) env: Env,
    /// The sender of changes.
    pub(super) changes: ReactorChanges,
}

impl Reached {
    pub(super) fn of(reactor: &Reactor) -> Reached {
        Reached { env: reactor.env(), changes: reactor.changes() }
    }
}

/// What a host serves, and all that a reload needs to replace it.
pub(super) struct Served {
    pub(super) config: Config,
    /// By section. The reactors own them: the path of a Unix socket is removed with the last reference.
    pub(super) endpoints: Vec<Weak<Endpoint>>,
    pub(super) templates: Templates,
    pub(super) versions: Versions,
    pub(super) engine: HostEngine,
    pub(super) loader: Loader,
    pub(super) host: Arc<HostShared>,
    pub(super) quota: InstanceQuota,
    pub(super) resolver: Arc<Resolver>,
    pub(super) files: FileCrew,
    pub(super) activity: Activity,
    pub(super) clock: Clock,
    pub(super) reactors: Vec<Reached>,
    /// The number of the last reload that was applied.
    pub(super) generation: u32,
    /// New versions on probation.
    pub(super) probations: Probations,
}

/// The changes of a reload, for the log.
#[derive(Debug, Default)]
struct Summary {
    changed: Vec<String>,
    gone: Vec<String>,
    unchanged: usize,
    opened: usize,
    closed: usize,
}

/// Handles reloads one after the other, until all senders are gone. Requests that come during a reload are merged into one.
pub(super) fn serve(
    mut served: Served,
    questions: &Receiver<ControlQuestion>,
    news: &Sender<News>,
) {
    while let Some(asked) = served.next(questions) {
        let Some(first) = asked else {
            served.look_at_what_is_new(news);
            continue;
        };
        let others: Vec<ControlQuestion> = questions.try_iter().collect();
        let answer = served.reload(news);
        for question in std::iter::once(first).chain(others) {
            question.answer(answer.clone());
        }
    }
}

/// Does a step, and turns a panic into an error. A step has no effect unless it succeeds.
fn guarded<T>(step: impl FnOnce() -> Result<T, StartError>) -> Result<T, StartError> {
    panics::catch(step).unwrap_or_else(|panicked| {
        panics::survive(&panicked);
        Err(StartError::panicked("a reload")(panicked))
    })
}

impl Served {
    fn reload(&mut self, news: &Sender<News>) -> Result<ControlAnswer, ControlRefusal> {
        let begun = self.clock.now();
        let done = guarded(|| self.try_reload());
        let now = self.clock.now();
        let took = now.since(begun);
        match done {
            Ok((summary, reloaded)) => {
                // Fails only while the process is ending.
                let _ = news.send(News::ReloadOver(Some(reloaded)));
                let Summary { changed, gone, unchanged, opened, closed } = summary;
                let (changed, gone) = (changed.join(" "), gone.join(" "));
                let generation = self.generation;
                tracing::info!(
                    generation,
                    changed,
                    gone,
                    unchanged,
                    opened,
                    closed,
                    ?took,
                    "reloaded"
                );
                self.host.reloads.over(now, None);
                Ok(ControlAnswer::Reloaded)
            }
            Err(error) => {
                let _ = news.send(News::ReloadOver(None));
                let error = error.to_string();
                tracing::error!(
                    cause = error,
                    ?took,
                    "reload refused: everything is served as before"
                );
                self.host.reloads.over(now, Some(error.clone()));
                Err(ControlRefusal::Reload(error))
            }
        }
    }

    /// Waits for the next request. The inner value is none if it is time to check versions on probation, the outer one if all
    /// senders are gone.
    fn next(&self, questions: &Receiver<ControlQuestion>) -> Option<Option<ControlQuestion>> {
        if self.probations.is_empty() {
            return questions.recv().ok().map(Some);
        }
        match questions.recv_timeout(probation::LOOK_EVERY) {
            Ok(question) => Some(Some(question)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn try_reload(&mut self) -> Result<(Summary, Reloaded), StartError> {
        let config = self.config.read_again().map_err(StartError::Config)?;
        for doubt in &config.doubts {
            tracing::warn!("{doubt}");
        }
        fixed::check(&self.config, &config).map_err(StartError::Config)?;
        descriptors::admit_more(&config).map_err(StartError::Config)?;
        let known = self.templates.iter().map(|template| template.compiled.clone()).collect();
        let compiler = Compiler::of(&config.host);
        let compiled = Components::reload(&compiler, &config, &self.engine, known)?;
        let before = self.templates.clone();
        let done = self.take(config, &compiled)?;
        self.probations.begin(&self.config, &before, &self.templates, self.clock.now());
        Ok(done)
    }

    /// Applies this configuration, whose components are compiled: everything or nothing.
    fn take(
        &mut self,
        config: Config,
        compiled: &[Compiled],
    ) -> Result<(Summary, Reloaded), StartError> {
        let (roster, cluster) = (self.host.roster(), self.host.cluster.as_deref());
        let places = NewPlaces::find(&config, &self.templates, &self.versions, &roster, cluster);
        let next = self.load(&config, compiled, &places)?;
        self.try_out(&config, &next, &places)?;
        let programs = self.programs(&config, &next, &places)?;
        let sockets = NewSockets::open(&self.config, &self.endpoints, &config, &places)
            .map_err(StartError::Bind)?;
        let roster = Arc::new(Roster::new(next.plugins(), &places.all_tenants()));
        self.resolver
            .serve(config.tenants.len(), config.plugins.iter().any(PluginConfig::may_connect))
            .map_err(StartError::thread("names"))?;
        self.files.serve(&roster).map_err(StartError::thread("files"))?;
        // From here nothing can fail.
        let summary = self.summary(&next, &sockets);
        self.share_out(&config, &places, &roster);
        let watches = self.watches(&config, &next, &sockets);
        let stop_deadline = config.host.limits.stop_deadline;
        let before = std::mem::replace(&mut self.templates, next.clone());
        self.generation += 1;
        self.swap(&config, sockets, programs);
        let placed = config.plugins.iter().enumerate();
        let placed = placed.map(|(index, section)| (section, places.plugin(index)));
        let post = self.host.cluster.as_ref().and_then(|cluster| cluster.singletons.post());
        singletons::serve(&self.host, placed, post);
        for plugin in next.iter().map(|template| &template.plugin) {
            if plugin.generation == self.generation {
                plugin.serve();
            }
        }
        drop(before);
        self.config = config;
        Ok((summary, Reloaded { watches, stop_deadline }))
    }

    /// The templates of the new configuration; unchanged plugins keep theirs.
    fn load(
        &self,
        config: &Config,
        compiled: &[Compiled],
        places: &NewPlaces,
    ) -> Result<Templates, StartError> {
        let mut all = vec![None; places.plugins_max()];
        for (index, section) in config.plugins.iter().enumerate() {
            let (place, tenant) = (places.plugin(index), places.tenant(section.tenant_index));
            let before = self.templates.get(place);
            let is_same = |before: &&Arc<Template>| {
                before.plugin.config.is_as(section)
                    && before.compiled.hash == compiled[index].hash
                    && Arc::ptr_eq(&before.plugin.tenant, tenant)
            };
            all[place] = Some(match before.filter(is_same) {
                Some(before) => before.clone(),
                None => {
                    let standing = self.standing(section, place, tenant.clone());
                    self.loader
                        .load(config, index, &compiled[index], standing)
                        .map_err(StartError::Load)?
                }
            });
        }
        Ok(Templates::new(all))
    }

    fn standing(&self, section: &PluginConfig, place: usize, tenant: Arc<Tenant>) -> Standing {
        let before = self.templates.get(place).map(|template| &template.plugin);
        let before = before.filter(|before| before.name() == section.name);
        let new = || Arc::new(Usage::new(&section.limits));
        let counters = || Arc::new(Counters::watched(self.config.watched_loops()));
        Standing {
            place,
            generation: self.generation + 1,
            tenant,
            usage: before.map_or_else(new, |before| before.usage.clone()),
            counters: before.map_or_else(counters, |before| before.counters.clone()),
        }
    }

    /// Makes a first instance of each version that is new or has other listeners, as a start does.
    fn try_out(
        &self,
        config: &Config,
        next: &Templates,
        places: &NewPlaces,
    ) -> Result<(), StartError> {
        let env = Env::new(&self.clock, &self.host);
        let caller = Caller { config, activity: self.activity.clone(), env };
        for (index, section) in config.plugins.iter().enumerate() {
            let Some(template) = next.get(places.plugin(index)) else { continue };
            if self.is_new(template) || self.has_other_handlers(config, section) {
                caller
                    .check(template, index)
                    .map_err(|fault| caller.error(&template.plugin, fault))?;
            }
        }
        Ok(())
    }

    fn is_new(&self, template: &Template) -> bool {
        self.generation < template.plugin.generation
    }

    fn has_other_handlers(&self, config: &Config, section: &PluginConfig) -> bool {
        let of = |config: &Config| -> Vec<Option<String>> {
            let name = &section.name;
            let listeners = config.listeners.iter();
            let own = listeners.filter(|it| config.plugins[it.plugin].name == *name);
            own.map(|it| it.handler.clone()).collect()
        };
        of(&self.config) != of(config)
    }

    /// The prepared programs of new versions, by reactor.
    fn programs(
        &self,
        config: &Config,
        next: &Templates,
        places: &NewPlaces,
    ) -> Result<Vec<Vec<Sandbox>>, StartError> {
        let mut all = Vec::new();
        for (reactor, reached) in self.reactors.iter().enumerate() {
            let env = reached.env.clone();
            let caller = Caller { config, activity: self.activity.clone(), env: env.clone() };
            let mut programs = Vec::new();
            for index in 0..config.plugins.len() {
                let template = next.get(places.plugin(index));
                let Some(template) = template.filter(|it| self.is_new(it)) else { continue };
                if caller.begins_with(&template.plugin, index, reactor) {
                    let sandbox = caller
                        .prepare(template, env.clone())
                        .map_err(|fault| caller.error(&template.plugin, fault))?;
                    programs.push(*sandbox);
                }
            }
            all.push(programs);
        }
        Ok(all)
    }

    /// Applies the new limits of tenants and of what they share.
    fn share_out(&self, config: &Config, places: &NewPlaces, roster: &Arc<Roster>) {
        let count = roster.all_tenants().len();
        let (mut bounds, mut is_served) = (vec![None; count], vec![false; count]);
        for (index, section) in config.tenants.iter().enumerate() {
            let tenant = places.tenant(index);
            tenant.set_limits(&section.limits);
            bounds[tenant.index] = Some(TenantBound(section.limits.instances));
            is_served[tenant.index] = true;
        }
        self.quota.divide(&bounds);
        self.host.descriptors.divide(&is_served);
        self.host.jobs.set_share(deferred::share(config.host.limits.workers, roster));
        self.host.serve(roster.clone());
    }

    /// Sends the change to every reactor, and waits until all have applied it.
    fn swap(&mut self, config: &Config, sockets: NewSockets, programs: Vec<Vec<Sandbox>>) {
        self.versions.add(&self.templates);
        let (taken, all_taken) = channel();
        let NewSockets { mut opened, kept, endpoints, .. } = sockets;
        let tenants = self.host.roster().all_tenants().len();
        for (reached, programs) in self.reactors.iter().zip(programs) {
            let mut here = Vec::new();
            for listeners in &mut opened {
                here.extend(listeners.pop_front());
            }
            reached.changes.send(ReactorChange {
                templates: self.templates.clone(),
                tenants,
                opened: here,
                kept: kept.clone(),
                programs,
                stop_deadline: config.host.limits.stop_deadline,
                close_deadline: config.host.limits.close_deadline,
                taken: taken.clone(),
            });
        }
        drop(taken);
        // Ends when every reactor has dropped its sender.
        while all_taken.recv().is_ok() {}
        self.endpoints = endpoints.iter().map(Arc::downgrade).collect();
    }

    fn watches(&self, config: &Config, next: &Templates, sockets: &NewSockets) -> FileWatches {
        let new = next.iter().filter(|template| self.is_new(template));
        let certificates = sockets.endpoints.iter().filter(|endpoint| {
            let tls = endpoint.tls.as_ref();
            tls.is_some_and(|tls| {
                let before = self.endpoints.iter().filter_map(Weak::upgrade);
                let before = before.filter_map(|before| before.tls.clone());
                before.into_iter().all(|before| !Arc::ptr_eq(&before, tls))
            })
        });
        FileWatches {
            paths: sockets.opened.iter().filter_map(|it| PathWatch::of(it.front()?)).collect(),
            certificates: certificates.filter_map(|it| TlsWatch::of(it)).collect(),
            profiles: new.flat_map(|template| ProfileWatch::of(&template.plugin)).collect(),
            sources: SourceWatch::of(config),
        }
    }

    fn summary(&self, next: &Templates, sockets: &NewSockets) -> Summary {
        let name = |plugin: &Arc<Plugin>| GuestText::name(plugin.name()).to_string();
        let is_left = |template: &&Arc<Template>| {
            next.get(template.plugin.index)
                .is_none_or(|now| now.plugin.name() != template.plugin.name())
        };
        let new: Vec<_> = next.iter().filter(|template| self.is_new(template)).collect();
        Summary {
            unchanged: next.iter().count() - new.len(),
            changed: new.iter().map(|template| name(&template.plugin)).collect(),
            gone: self.templates.iter().filter(is_left).map(|it| name(&it.plugin)).collect(),
            opened: sockets.opened.len(),
            closed: self.endpoints.len() - sockets.kept.len(),
        }
    }
}
