//! Probation of new versions: a version that traps too often is rolled back.

use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::clock::Moment;
use crate::config::model::{Config, PluginConfig};
use crate::engine::compile::Compiled;
use crate::engine::template::Templates;
use crate::plugin::handover::PROBATION;
use crate::plugin::service::Service;
use crate::run::error::StartError;
use crate::run::news::News;
use crate::run::reload::{Served, guarded};
use crate::run::watches::Reloaded;

/// How often it is looked at meanwhile.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The versions on probation.
#[derive(Default)]
pub(in crate::run) struct Probations(Vec<Probation>);

/// A version on probation, with the one to roll back to.
struct Probation {
    /// The index of its plugin.
    place: usize,
    /// The generation of the version.
    generation: u32,
    until: Moment,
    /// The previous section.
    section: PluginConfig,
    compiled: Compiled,
}

impl Probations {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A reload was applied: puts its versions that can be rolled back on probation.
    pub(super) fn begin(
        &mut self,
        config: &Config,
        before: &Templates,
        now_served: &Templates,
        now: Moment,
    ) {
        for template in now_served.iter() {
            let plugin = &template.plugin;
            let earlier = before.get(plugin.index).filter(|earlier| {
                earlier.plugin.name() == plugin.name()
                    && earlier.plugin.generation != plugin.generation
            });
            let section = config.plugins.iter().find(|section| section.name == plugin.name());
            let (Some(earlier), true) = (earlier, section.is_some_and(|it| it.rollback)) else {
                continue;
            };
            self.0.retain(|one| one.place != plugin.index);
            self.0.push(Probation {
                place: plugin.index,
                generation: plugin.generation,
                until: now + PROBATION,
                section: earlier.plugin.config.clone(),
                compiled: earlier.compiled.clone(),
            });
        }
    }

    /// Takes the versions that have failed, and removes those that have passed or are no longer served.
    fn failed(&mut self, served: &Templates, now: Moment) -> Vec<Probation> {
        let plugin = |one: &Probation| {
            let plugin = served.get(one.place).map(|template| &template.plugin);
            plugin.filter(|plugin| plugin.generation == one.generation)
        };
        self.0.retain(|one| plugin(one).is_some() && now < one.until);
        let has_failed = |one: &mut Probation| {
            plugin(one).is_some_and(|it| it.counters.service() == Service::Quarantined)
        };
        self.0.extract_if(.., has_failed).collect()
    }
}

impl Served {
    /// Rolls back each version that has failed.
    pub(super) fn look_at_what_is_new(&mut self, news: &Sender<News>) {
        let now = self.clock.now();
        for failed in self.probations.failed(&self.templates, now) {
            let plugin = failed.section.name.clone();
            match guarded(|| self.go_back(failed)) {
                Ok((version, reloaded)) => {
                    // Fails only while the process is ending.
                    let _ = news.send(News::ReloadOver(Some(reloaded)));
                    let what = "it has trapped too often within a minute of its reload: its version before is served again";
                    tracing::error!(plugin, version, generation = self.generation, "{what}");
                    let told = format!("plugin {plugin:?}: {what}");
                    self.host.reloads.over(self.clock.now(), Some(told));
                }
                Err(error) => {
                    let cause = error.to_string();
                    tracing::error!(
                        plugin,
                        cause,
                        "it stays quarantined: its version before cannot be served"
                    );
                }
            }
        }
    }

    fn go_back(&mut self, failed: Probation) -> Result<(String, Reloaded), StartError> {
        let Probation { place, section, compiled, .. } = failed;
        let mut config = self.config.clone();
        let mut all = Vec::with_capacity(config.plugins.len());
        for now in &mut config.plugins {
            if now.name == section.name {
                // Its tenant may have another index in the current configuration, or none.
                let index = config.tenants.iter().position(|it| it.name == section.tenant);
                let (tenant, tenant_index) = match index {
                    Some(index) => (section.tenant.clone(), index),
                    None => (now.tenant.clone(), now.tenant_index),
                };
                *now = PluginConfig { tenant, tenant_index, ..section.clone() };
                all.push(compiled.clone());
                continue;
            }
            let template = self.templates.iter().find(|it| it.plugin.name() == now.name);
            all.extend(template.map(|template| template.compiled.clone()));
        }
        let (_, reloaded) = self.take(config, &all)?;
        let version = self.templates.get(place).map(|it| it.plugin.version.clone());
        Ok((version.unwrap_or_default(), reloaded))
    }
}
