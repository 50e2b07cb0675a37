//! Whether a component is within its limits, and the message for the operator if it is not.

use std::fmt::Display;

use wasmtime::Trap;

use crate::config::bound::{Bound, Limit};
use crate::config::limits;
use crate::config::model::{Config, Isolation, PluginConfig, TenantConfig};
use crate::config::units;
use crate::engine::fault::{Fault, LoadError};
use crate::engine::footprint::Footprint;
use crate::engine::trapped::Trapped;
use crate::log::text::GuestText;
use crate::log::trap;
use crate::plugin::Plugin;

/// The maximum length of the host's message about an instance that cannot be created.
const WORDS_BYTES: usize = 4 << 10;

/// Checks that each plugin's component is within its limits.
///
/// # Errors
/// When one is not.
pub(super) fn check(config: &Config, footprints: &[Footprint]) -> Result<(), LoadError> {
    for (plugin, footprint) in config.plugins.iter().zip(footprints) {
        if let Some(text) = excess(plugin, &config.tenants[plugin.tenant_index], footprint) {
            return Err(LoadError::new(plugin, Fault::TooLarge(text)));
        }
    }
    Ok(())
}

/// The limit that a component exceeds, and the key to raise.
fn excess(plugin: &PluginConfig, tenant: &TenantConfig, has: &Footprint) -> Option<String> {
    let limits = &plugin.limits;
    let own = format!("plugins.{}.limits", plugin.name);
    let of_tenant = format!("tenants.{}.limits", tenant.name);
    let counted: [(&str, &Bound, &str, u64, u64); 6] = [
        (
            &own,
            &limits::CORE_INSTANCES,
            "core instances",
            has.core_instances.into(),
            limits.core_instances.into(),
        ),
        (&own, &limits::MEMORY_COUNT, "memories", has.memories.into(), limits.memory_count.into()),
        (&own, &limits::MEMORY, "of memory", has.memory_bytes, limits.memory),
        (&own, &limits::TABLE_COUNT, "tables", has.tables.into(), limits.table_count.into()),
        (&own, &limits::TABLES, "elements in tables", has.table_elements, limits.tables.into()),
        (&of_tenant, &limits::TENANT_MEMORY, "of memory", has.memory_bytes, tenant.limits.memory),
    ];
    let (section, bound, what, needed, allowed) =
        counted.into_iter().find(|(.., needed, allowed)| allowed < needed)?;
    let key = format!("{section}.{}", bound.name);
    let (shown, allowed) = (bound.show(needed), bound.show(allowed));
    let remedy = if needed <= bound.max {
        format!("raise {key} to {shown}")
    } else {
        format!("no plugin may have more than {}: build it with less", bound.show(bound.max))
    };
    Some(format!("it begins with {shown} {what}, and {key} allows {allowed}; {remedy}"))
}

/// A bound of the tenant or of the host leaves no room for an instance with which the plugin starts.
pub(crate) fn no_room(plugin: &Plugin, bound: &'static Bound, instances: u32) -> Fault {
    words(used_up(plugin, bound, instances))
}

/// The message that a bound is used up, with the remedy.
fn used_up(plugin: &Plugin, bound: &'static Bound, instances: u32) -> String {
    match plugin.tenant.show(bound) {
        Some(value) => {
            let (tenant, name) = (&plugin.config.tenant, bound.name);
            format!("[tenants.{tenant}.limits] {name} = {value} is used up; raise it")
        }
        None => format!("[host] instances = {instances} is used up; raise it"),
    }
}

/// Why the first instance of a plugin could not be created.
pub(crate) fn unmade(plugin: &Plugin, trapped: &Trapped, instances: u32) -> Fault {
    let (name, cause) = (plugin.name(), trap::cause(&trapped.error));
    if let Some(Limit::Of(bound)) = trapped.limit {
        let Some(value) = plugin.config.limits.show(bound) else {
            return words(format_args!("{cause}: {}", used_up(plugin, bound, instances)));
        };
        let limit = bound.name;
        return words(format_args!(
            "its start takes more than plugins.{name}.limits.{limit} allows, {value}: {cause}; raise \
             plugins.{name}.limits.{limit}"
        ));
    }
    if trapped.error.is::<Trap>() {
        return Fault::Trapped {
            event: "its start function",
            cause,
            last_words: trapped.last_words.clone(),
            backtrace: trap::backtrace(&trapped.error),
        };
    }
    Fault::Instance(trap::chain(&trapped.error))
}

/// The host's message, with names of the configuration and the engine's cause.
fn words(text: impl Display) -> Fault {
    Fault::Instance(GuestText::of(text, WORDS_BYTES))
}

/// Logs which plugins cannot have all the connections that their limits allow, because their tenant's memory is too small for
/// the sandboxes: further connections will wait.
pub(crate) fn compare_with_tenants(config: &Config, footprints: &[Footprint]) {
    for (plugin, footprint) in config.plugins.iter().zip(footprints) {
        if plugin.isolation != Isolation::Connection {
            continue;
        }
        let tenant = &config.tenants[plugin.tenant_index];
        let Some(text) = shortage(config, plugin, tenant, footprint) else { continue };
        let keys = [
            "host.instances".to_owned(),
            format!("plugins.{}.limits.connections", plugin.name),
            format!("tenants.{}.limits.memory", tenant.name),
        ];
        // Defaults may exceed what is available.
        if keys.iter().any(|key| config.origins.find(key).is_some()) {
            tracing::warn!(plugin = plugin.name, tenant = tenant.name, "{text}");
        } else {
            tracing::info!(plugin = plugin.name, tenant = tenant.name, "{text}");
        }
    }
}

fn shortage(
    config: &Config,
    plugin: &PluginConfig,
    tenant: &TenantConfig,
    footprint: &Footprint,
) -> Option<String> {
    let of_tenant = tenant.limits.instances.unwrap_or(u32::MAX);
    let sandboxes = plugin.limits.connections.min(config.host.limits.instances).min(of_tenant);
    let needed = u64::from(sandboxes).saturating_mul(footprint.memory_bytes);
    let fit = tenant.limits.memory.checked_div(footprint.memory_bytes)?;
    (tenant.limits.memory < needed).then(|| {
        format!(
            "tenants.{}.limits.memory is {} and has room for {fit} of {sandboxes} connections, as each begins with {}: \
             the others wait; raise it to {}, or lower plugins.{}.limits.connections",
            tenant.name,
            units::size(tenant.limits.memory),
            units::size(footprint.memory_bytes),
            units::size(needed),
            plugin.name,
        )
    })
}
