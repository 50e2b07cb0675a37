//! The size of the engine's pool. It is set at the start; a reload must fit into it.

use wasmtime::Engine;

use crate::config::bound::Bound;
use crate::config::error::{ConfigError, Problem};
use crate::config::limits;
use crate::config::model::{Config, PluginConfig};
use crate::engine::capacity::Capacity;
use crate::engine::footprint::Footprint;
use crate::engine::settings::CodeSettings;

/// The minimum of memories and tables per sandbox in a pool, if they cost address space only: components of a reload may have
/// more of them than those of the start.
const MEMORIES_KEPT: u64 = 2;
const TABLES_KEPT: u64 = 4;
/// The maximum number of slots reserved for that.
const SLOTS_KEPT: u64 = 1 << 14;

/// The engine of a host, and the size of its pool.
#[derive(Clone)]
pub struct HostEngine {
    /// The engine.
    pub engine: Engine,
    /// The settings of its code.
    pub settings: CodeSettings,
    /// The size of its pool.
    pub(super) room: PoolRoom,
}

/// The size of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PoolRoom {
    /// Sandboxes: those of the quota, one that each worker keeps, and one to test a component in a reload.
    pub(super) sandboxes: u64,
    pub(super) memories: u64,
    pub(super) tables: u64,
    /// The bytes of one memory.
    pub(super) memory: u64,
    /// The elements of one table.
    pub(super) table_elements: u32,
    /// The memories of one sandbox.
    pub(super) memory_count: u32,
    /// The tables of one sandbox.
    pub(super) table_count: u32,
    pub(super) core_instances: u32,
}

impl PoolRoom {
    /// The size for these plugins and for reloads, with memories of `memory` bytes. `has_space` returns whether the address space
    /// of a number of memories costs nothing.
    pub(super) fn of(
        config: &Config,
        footprints: &[Footprint],
        memory: u64,
        has_space: impl Fn(u64) -> bool,
    ) -> PoolRoom {
        let capacity = Capacity::new(config, footprints);
        let sandboxes = capacity.sandboxes().saturating_add(1);
        let most = |of: fn(&Footprint) -> u32| footprints.iter().map(of).max().unwrap_or(0).into();
        let kept = |each: u64| each.saturating_mul(sandboxes).min(SLOTS_KEPT);
        let memories = capacity.memories().saturating_add(most(|it| it.memories));
        let more = memories.max(kept(MEMORIES_KEPT));
        let tables = capacity.tables().saturating_add(most(|it| it.tables));
        let bound = |of: fn(&PluginConfig) -> u32| config.plugins.iter().map(of).max().unwrap_or(1);
        PoolRoom {
            sandboxes,
            memories: if has_space(more) { more } else { memories },
            tables: tables.max(kept(TABLES_KEPT)),
            memory,
            table_elements: bound(|it| it.limits.tables).max(default(&limits::TABLES)),
            memory_count: bound(|it| it.limits.memory_count).max(default(&limits::MEMORY_COUNT)),
            table_count: bound(|it| it.limits.table_count).max(default(&limits::TABLE_COUNT)),
            core_instances: bound(|it| it.limits.core_instances)
                .max(default(&limits::CORE_INSTANCES)),
        }
    }

    /// Checks whether the components of a reload fit.
    ///
    /// # Errors
    /// When they do not: the host has to be restarted.
    pub(super) fn check(
        &self,
        config: &Config,
        footprints: &[Footprint],
    ) -> Result<(), ConfigError> {
        let capacity = Capacity::new(config, footprints);
        for plugin in &config.plugins {
            let of = &plugin.limits;
            let bounds: [(&Bound, u64, u64); 5] = [
                (&limits::MEMORY, of.memory, self.memory),
                (&limits::TABLES, of.tables.into(), self.table_elements.into()),
                (&limits::MEMORY_COUNT, of.memory_count.into(), self.memory_count.into()),
                (&limits::TABLE_COUNT, of.table_count.into(), self.table_count.into()),
                (&limits::CORE_INSTANCES, of.core_instances.into(), self.core_instances.into()),
            ];
            for (bound, wanted, has) in bounds {
                if has < wanted {
                    let key = format!("plugins.{}.limits.{}", plugin.name, bound.name);
                    let (wanted, has) = (bound.show(wanted), bound.show(has));
                    return Err(too_large(config, plugin, key, (&wanted, &has)));
                }
            }
        }
        let needed = [
            (capacity.memories(), self.memories, "linear memories"),
            (capacity.tables(), self.tables, "tables"),
        ];
        let largest = config.plugins.iter().zip(footprints).max_by_key(|(_, it)| it.memories);
        for (needed, has, what) in needed {
            if let Some((plugin, _)) = largest.filter(|_| has < needed) {
                let key = format!("plugins.{}.component", plugin.name);
                let (needed, has) = (format!("{needed} {what}"), has.to_string());
                return Err(too_large(config, plugin, key, (&needed, &has)));
            }
        }
        Ok(())
    }
}

fn default(bound: &Bound) -> u32 {
    u32::try_from(bound.default).unwrap_or(u32::MAX)
}

fn too_large(
    config: &Config,
    plugin: &PluginConfig,
    key: String,
    (needed, has): (&str, &str),
) -> ConfigError {
    let origin = config.origins.find(&key);
    let (file, line) = origin.map_or((&plugin.file, plugin.line), |it| (&it.file, it.line));
    ConfigError::Invalid {
        file: file.clone(),
        line,
        key,
        problem: Problem::new(
            format!("that takes {needed}, and the running host was started with room for {has}"),
            "stay below it, or start the host again",
        ),
    }
}
