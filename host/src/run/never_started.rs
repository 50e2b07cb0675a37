//! Warnings about programs that are never started.

use crate::config::model::{Config, Isolation, PluginConfig};
use crate::contract::export::Export;
use crate::engine::template::Templates;

/// Warns of each plugin that exports `lifecycle` and has a sandbox for each connection only: no sandbox exists in which
/// `lifecycle` would be called.
pub(super) fn tell(config: &Config, templates: &Templates) {
    for template in templates.iter() {
        let plugin = &template.plugin;
        let section = &plugin.config;
        if plugin.exports.has(Export::Start) && is_never_made(config, section) {
            let (file, line, name) = (section.file.display(), section.line, &section.name);
            tracing::warn!(
                plugin = plugin.name(),
                remedy = format!("write isolation = \"plugin\" under [plugins.{name}] in {file}"),
                "{file}:{line}: never started: it exports lifecycle, which is called in the one sandbox of isolation = \"plugin\" \
                 and not in those of isolation = \"connection\""
            );
        }
    }
}

fn is_never_made(config: &Config, section: &PluginConfig) -> bool {
    // Spawned processes have a mailbox instead.
    let is_spawned = || config.plugins.iter().any(|other| other.allow.may_spawn(&section.name));
    section.isolation == Isolation::Connection && !is_spawned()
}
