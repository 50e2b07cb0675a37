//! Programs that are never started: told to the operator, since nothing else would.

use crate::config::model::{Config, Isolation, PluginConfig};
use crate::contract::export::Export;
use crate::engine::template::Templates;

/// Tells of each plugin that exports `lifecycle`, and whose sandboxes are those of its connections: there is none in which it would
/// be called.
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
    // What is spawned lives by its mailbox.
    let is_spawned = || config.plugins.iter().any(|other| other.allow.may_spawn(&section.name));
    section.isolation == Isolation::Connection && !is_spawned()
}
